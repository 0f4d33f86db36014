import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openClickHouseWarehouse } from "../../src/usage/clickhouse.ts";
import { type ClickHouseServer, fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { projectRoot } from "../setup/runtime.ts";

const statementsOf = async (file: string) => {
  const text = await readFile(join(projectRoot, "deploy/clickhouse", file), "utf8");
  return text.split(/;\n/).filter((statement) => statement.trim() !== "");
};

await describeWith("the SQL files of deploy/clickhouse", fetchClickHouse, (startClickHouse) => {
  let server: ClickHouseServer;
  beforeAll(async () => {
    server = await startClickHouse();
  });
  afterAll(() => server.stop());

  const ask = async (body: string) => {
    const answer = await fetch(server.url, { method: "POST", body });
    const text = await answer.text();
    expect(answer.status, text).toBe(200);
    return text;
  };
  const tables = () =>
    ask(`SELECT name, engine, create_table_query FROM system.tables
         WHERE database = 'optamil' ORDER BY name FORMAT JSONEachRow`);

  it("make on a server, as often as they are run, what the program makes", async () => {
    const warehouse = await openClickHouseWarehouse({ url: server.url });
    const made = await tables();
    expect(made.trim().split("\n").length).toBeGreaterThan(10);
    await warehouse.close();
    await server.wipe();
    const statements = await statementsOf("server.sql");
    for (const statement of [...statements, ...statements]) await ask(statement);
    expect(await tables()).toBe(made);
  });

  it("leave nothing that the program cannot go on with", async () => {
    const warehouse = await openClickHouseWarehouse({ url: server.url });
    expect(await warehouse.id()).toMatch(/^[0-9a-f-]{36}$/);
    expect(await warehouse.sql("SELECT version FROM schema_versions", "TSV")).toMatch(/^[1-9]/);
    await warehouse.close();
  });

  it.each(["server.sql", "cluster.sql", "analysts.sql", "analysts-cluster.sql"])(
    "%s has only statements that the server parses",
    async (file) => {
      const statements = await statementsOf(file);
      expect(statements.length).toBeGreaterThan(4);
      for (const statement of statements) {
        const bare = statement.replaceAll(/^--.*\n/gm, "");
        expect(await ask(`EXPLAIN AST ${bare}`)).toMatch(/^(Create|Alter|CREATE ROW POLICY|Grant)/);
        expect(bare.includes("ON CLUSTER 'main'")).toBe(file.includes("cluster"));
      }
    },
  );
});
