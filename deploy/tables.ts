// The tables, views and roles of a fleet as SQL files, for clusters where others than Optamil make them.
import { toAccessStatements, toClusterStatements } from "../src/usage/cluster-schema.ts";
import { accessStatements, readStatement, serverStatements } from "../src/usage/statement.ts";

/** The cluster of the files; a name that can be replaced by another one. */
const clusterName = "main";

const made = (what: string) =>
  `-- ${what} as 'optamil migrate' makes them, to read or to make beforehand; written by 'npm run generate'.\n`;
const ofCluster = `-- Of a cluster called '${clusterName}', whose servers have the macros {shard} and {replica}: sed "s/'${clusterName}'/'yours'/" for another.\n`;
const repeatable =
  "-- Repeating it changes nothing. 'optamil migrate' is run all the same: it writes the version and this warehouse's id.\n";

/** The files by their names. */
export function toTableFiles(): readonly (readonly [string, string])[] {
  const tables = made("Tables and views") + repeatable;
  const access = `${made("The role and the row policies of analysts")}-- Needs a user with access_management.\n`;
  return [
    ["server.sql", toFile(tables, serverStatements.map(readStatement))],
    [
      "cluster.sql",
      toFile(
        tables + ofCluster,
        serverStatements.flatMap((name) => toClusterStatements(name, clusterName)),
      ),
    ],
    [
      "analysts.sql",
      toFile(
        access,
        accessStatements.flatMap((name) => toAccessStatements(name, undefined)),
      ),
    ],
    [
      "analysts-cluster.sql",
      toFile(
        access + ofCluster,
        accessStatements.flatMap((name) => toAccessStatements(name, clusterName)),
      ),
    ],
  ];
}

function toFile(head: string, statements: readonly string[]): string {
  return [head, ...statements.map((statement) => `${statement.trim()};\n`)].join("\n");
}
