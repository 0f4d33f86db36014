/** Which files of the end-to-end suite are run against a fleet behind nginx, and why the others are not. */

/** Files that say nothing about a fleet, each with the reason. */
export const notInFleet: ReadonlyMap<string, string> = new Map([
  ["test/e2e/backup.e2e.test.ts", "the state of one machine; a fleet's is in Kafka and ClickHouse"],
  ["test/e2e/cli.e2e.test.ts", "the commands of one machine; a fleet's are in test/chaos"],
  ["test/e2e/data-folder.e2e.test.ts", "the state of one machine"],
  ["test/e2e/dashboards.e2e.test.ts", "the proxy shows no metrics; each replica has its own"],
  ["test/e2e/doctor.e2e.test.ts", "the embedded parts; test/chaos asks a fleet's doctor"],
  ["test/e2e/drain.e2e.test.ts", "one process ends; test/chaos upgrades replicas under load"],
  ["test/e2e/reload.e2e.test.ts", "one process reads its file again"],
  ["test/e2e/h2spec.e2e.test.ts", "nginx speaks HTTP/2 with the client"],
  ["test/e2e/metrics.e2e.test.ts", "each replica counts its own requests"],
  ["test/e2e/nginx.e2e.test.ts", "has a proxy of its own"],
  ["test/e2e/envoy.e2e.test.ts", "has a proxy of its own"],
  ["test/e2e/workers.e2e.test.ts", "several processes of one machine; a fleet's are in test/chaos"],
  ["test/e2e/system.e2e.test.ts", "each replica shows its own parts, and what it asks itself"],
  [
    "test/e2e/schemathesis.e2e.test.ts",
    "nginx answers TRACE and long addresses by itself, in HTML",
  ],
  ["test/e2e/slow-clients.e2e.test.ts", "nginx waits for slow clients, with its own bounds"],
]);

/** Files that are run against a fleet each time, as the budget of CI allows. */
export const inFleetAlways: readonly string[] = [
  "test/e2e/doors.e2e.test.ts",
  "test/e2e/content.e2e.test.ts",
];
