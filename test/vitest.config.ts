/** How the tests run: which files belong to which project, and the limits of all of them. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { inFleetAlways, notInFleet } from "./e2e/fleet-files.ts";
import { createReporter } from "./reporter.ts";
import { isCi } from "./setup/missing-tool.ts";

/** Real Kafka, ClickHouse, Redis and the embedded engine, and thousands of random histories: minutes, where the rest takes seconds. */
const engines = [
  "test/**/kafka*.test.ts",
  "test/**/chdb*.test.ts",
  "test/**/clickhouse*.test.ts",
  "test/usage/supervisor.test.ts",
  "test/deploy/chart-processes.test.ts",
  "test/admission/{fleet-counters,model,rebuild,redis,slow-redis}.test.ts",
  "test/simulation/**/*.test.ts",
];
const endToEnd = ["test/e2e/**/*.e2e.test.ts"];
const conformance = ["test/conformance/**/*.test.ts"];
const browser = ["test/console/**/*.test.ts"];
const chaos = ["test/chaos/**/*.test.ts"];
const long = ["test/**/*.long.test.ts"];

/** The end-to-end suite against fleets behind nginx: a part in each run, all of it among the long tests. */
const fleetProjects = [
  { name: "e2e-fleet", include: [...inFleetAlways] },
  { name: "e2e-fleet-long", include: endToEnd, exclude: [...notInFleet.keys()] },
];

/** Limits that each project repeats: vitest hands none of them down. */
const limits = {
  testTimeout: 30_000,
  hookTimeout: 60_000,
  retry: 0,
  // Titles are sentences; the default would cut those of tables after 40 characters.
  taskTitleValueFormatTruncate: 0,
  setupFiles: ["test/setup/stop-processes.ts"],
};

/** One file at a time: a fleet has two cores to itself, or its deadlines say more of the machine than of it. */
const alone = { fileParallelism: false };

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    globalSetup: ["test/setup/fetch-tools.ts", "test/setup/fleet-brokers.ts"],
    // Two cores are what a small CI machine has; a gateway under test runs beside each worker.
    maxWorkers: 2,
    passWithNoTests: false,
    reporters: [createReporter({ everyProjectRuns: isCi() })],
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...engines, ...endToEnd, ...conformance, ...browser, ...chaos, ...long],
          sequence: { groupOrder: 0 },
          ...limits,
        },
      },
      {
        test: {
          name: "engines",
          include: engines,
          exclude: [...endToEnd, ...conformance, ...chaos, ...long],
          sequence: { groupOrder: 0 },
          ...limits,
        },
      },
      {
        test: {
          name: "conformance",
          include: conformance,
          sequence: { groupOrder: 1 },
          ...limits,
        },
      },
      ...(["node", "deno"] as const).map((runtime) => ({
        test: {
          name: `e2e-${runtime}`,
          include: endToEnd,
          env: { OPTAMIL_TEST_RUNTIME: runtime },
          sequence: { groupOrder: 2 },
          ...limits,
        },
      })),
      ...fleetProjects.map((files) => ({
        test: {
          ...files,
          env: { OPTAMIL_TEST_FLEET: "1" },
          sequence: { groupOrder: 6 },
          ...limits,
          ...alone,
        },
      })),
      {
        test: { name: "console", include: browser, sequence: { groupOrder: 5 }, ...limits },
      },
      {
        test: {
          name: "chaos",
          include: chaos,
          exclude: long,
          sequence: { groupOrder: 3 },
          ...limits,
          ...alone,
        },
      },
      { test: { name: "long", include: long, sequence: { groupOrder: 4 }, ...limits, ...alone } },
    ],
  },
});
