// The schema of a ClickHouse cluster, made from the statements for one server.
import assert from "node:assert/strict";
import { type accessStatements, readStatement, type StatementName } from "./statement.ts";

/** Tables with rows, each of them local to a shard, with a table over all shards in front. */
const shardKeys: Partial<Record<StatementName, string>> = {
  // All rows of an account lie in one shard, so that FINAL sees every rev of an event.
  "usage-events": "cityHash64(account_id)",
  // Filled on the shard of the event: nothing is inserted through the table in front.
  "usage-records": "cityHash64(event_id)",
  "request-contents": "cityHash64(account_id)",
};

const databaseOf = (name: StatementName) =>
  name === "request-contents" ? "optamil_content" : "optamil";

/** The statements that make on every server of a cluster what the named one makes on a single server. */
export function toClusterStatements(name: StatementName, cluster: string): readonly string[] {
  checkName(cluster);
  const statement = readStatement(name);
  const shardKey = shardKeys[name];
  const table = name.replaceAll("-", "_");
  if (shardKey !== undefined) {
    const database = databaseOf(name);
    const whole = `${database}.${table}`;
    const local = toReplicated(statement).replace(`${whole}\n`, `${whole}_local\n`);
    const front = `CREATE TABLE IF NOT EXISTS ${whole} AS ${whole}_local
ENGINE = Distributed('${cluster}', '${database}', '${table}_local', ${shardKey})`;
    return [onCluster(local, cluster), onCluster(front, cluster)];
  }
  if (name === "usage-events-columns" || name === "usage-events-trace") {
    // The rows' own tables first: the one in front reads its columns from them.
    const local = statement.replace("optamil.usage_events\n", "optamil.usage_events_local\n");
    return [onCluster(local, cluster), onCluster(statement, cluster)];
  }
  if (name === "schema-versions" || name === "warehouse-ids")
    return [onCluster(toReplicated(statement, "all"), cluster)];
  if (name !== "usage-records-feed") return [onCluster(statement, cluster)];
  const feed = statement.replaceAll(/optamil\.usage_(records|events)(?!_)/g, "$&_local");
  return [onCluster(feed, cluster)];
}

/** The statements that let analysts in: on one server, or on every server of a cluster and for its rows' own tables. */
export function toAccessStatements(
  name: (typeof accessStatements)[number],
  cluster: string | undefined,
): readonly string[] {
  const statement = readStatement(name);
  if (cluster === undefined) return [statement];
  checkName(cluster);
  const front = statement.replace("/* ON CLUSTER */", `ON CLUSTER '${cluster}'`);
  const local = front.replaceAll(/optamil\.usage_(records|events)\b/g, "$&_local");
  return local === front ? [front] : [front, local];
}

/** The statement that deletes kept content, where its rows are. */
export function toContentRemoval(cluster: string | undefined): string {
  const statement = readStatement("content-removal");
  if (cluster === undefined) return statement;
  checkName(cluster);
  const on = `ON CLUSTER '${cluster}'`;
  return statement
    .replace("/* ON CLUSTER */", on)
    .replace("request_contents ", "request_contents_local ");
}

/** Whether a name can stand in a statement as it is. */
export function checkName(name: string): void {
  assert(/^[A-Za-z0-9_-]+$/.test(name), "the name is of letters, digits, _ and -");
}

/** `{uuid}`, `{shard}` and `{replica}` are macros of the servers. */
function toReplicated(statement: string, shard = "{shard}"): string {
  const path = `'/clickhouse/tables/{uuid}/${shard}', '{replica}'`;
  return statement.replace(
    /ENGINE = (Replacing)?MergeTree(?:\((\w+)\))?/,
    (_all, kind = "", version = "") => {
      const columns = version === "" ? "" : `, ${version}`;
      return `ENGINE = Replicated${kind}MergeTree(${path}${columns})`;
    },
  );
}

function onCluster(statement: string, cluster: string): string {
  const head =
    /^((?:--.*\n)*(?:ALTER|CREATE (?:OR REPLACE )?) ?(?:TABLE|DATABASE|(?:MATERIALIZED )?VIEW) (?:IF NOT EXISTS )?[\w.]+)/;
  assert(head.test(statement), "the statement makes or alters something");
  return statement.replace(head, `$1 ON CLUSTER '${cluster}'`);
}
