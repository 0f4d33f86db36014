import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClickHouseWarehouse, openClickHouseWarehouse } from "../../src/usage/clickhouse.ts";
import { toAccessStatements, toClusterStatements } from "../../src/usage/cluster-schema.ts";
import { accessStatements, schemaStatements } from "../../src/usage/statement.ts";
import { describeAnalytics } from "../contracts/analytics.ts";
import { describeAudits } from "../contracts/audit.ts";
import { describeRouterViews } from "../contracts/router-views.ts";
import { describeWarehouse } from "../contracts/warehouse.ts";
import { type ClickHouseServer, fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { placeEvents, sampleEvent } from "./sample-events.ts";

await describeWith("ClickHouse", fetchClickHouse, (startClickHouse) => {
  describeWarehouse("a ClickHouse server", async () => {
    const server = await startClickHouse();
    return {
      open: () => openClickHouseWarehouse({ url: server.url }),
      remove: () => server.stop(),
    };
  });

  describeRouterViews("a ClickHouse server", async () => {
    const server = await startClickHouse();
    return {
      open: () => openClickHouseWarehouse({ url: server.url }),
      remove: () => server.stop(),
    };
  });

  describeAnalytics("a ClickHouse server", async () => {
    const server = await startClickHouse();
    return {
      questions: 100,
      open: () => openClickHouseWarehouse({ url: server.url }),
      remove: () => server.stop(),
    };
  });

  describe("a server that is tampered with", () => {
    let server: ClickHouseServer;
    beforeAll(async () => {
      server = await startClickHouse();
    });
    afterAll(() => server.stop());

    describeAudits("a ClickHouse server", async () => {
      const { url } = server;
      await runBeside(url, "DROP DATABASE IF EXISTS optamil SYNC");
      const warehouse = await openClickHouseWarehouse({ url });
      const tamper = (statement: string) => runBeside(url, statement);
      return { warehouse, tamper, remove: () => warehouse.close() };
    });
  });

  describe("the warehouse on a server", () => {
    let server: ClickHouseServer;
    let warehouse: ClickHouseWarehouse;
    const run = (statement: string) => runBeside(server.url, statement);

    beforeAll(async () => {
      server = await startClickHouse();
      warehouse = await openClickHouseWarehouse({ url: server.url });
      const events = placeEvents([sampleEvent()]);
      await warehouse.insert({ logName: "usage/0", logEpoch: 1, events });
    });
    afterAll(async () => {
      await warehouse.close();
      await server.stop();
    });

    it.each([
      "DROP TABLE usage_events",
      "ALTER TABLE optamil.usage_events DELETE WHERE 1",
      "SELECT 1 SETTINGS readonly = 0",
      "SELECT * FROM file('/etc/passwd', 'LineAsString')",
      "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
      "SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
      "SELECT 1 INTO OUTFILE '/tmp/optamil-outfile'",
      "SELECT no_such_column FROM optamil.usage",
      "SELECT repeat('x', 1000000) FROM numbers(1000)",
      "SELECT 1; SELECT 2",
    ])("refuses analysts the statement %s", async (statement) => {
      await expect(warehouse.sql(statement)).rejects.toMatchObject({ code: "invalid_request" });
      expect(await warehouse.sql("SELECT count() FROM usage", "TSV")).toBe("1\n");
    });

    it("takes what only looks like more than a statement", async () => {
      expect(await warehouse.sql("SELECT 1 AS one -- FORMAT x", "CSVWithNames")).toBe('"one"\n1\n');
    });

    it("refuses a schema that a newer program made, and says what to do", async () => {
      await run("INSERT INTO optamil.schema_versions (version) VALUES (999)");
      await expect(openClickHouseWarehouse({ url: server.url })).rejects.toMatchObject({
        message: expect.stringContaining(
          "has schema version 999, which needs a release that knows 999",
        ),
      });
      await run("TRUNCATE TABLE optamil.schema_versions");
      await warehouse.migrate();
      await warehouse.migrate();
      expect(await run("SELECT count() FROM optamil.schema_versions")).toBe("1\n");
    });

    it("adds its columns to a table that an older program made, whose rows keep their meaning", async () => {
      const columns = ["tag", "root_key_id", "budgets", "route_ranked", "shadow_ranked"];
      const dropped = columns.map((column) => `DROP COLUMN ${column}`).join(", ");
      await run(`ALTER TABLE optamil.usage_events ${dropped}`);
      const event = { account_id: "old", period_id: "2026-04", key_id: "k1", tier: "mid" };
      const row = JSON.stringify({ ...event, rev: 1, credits_micro: 5 });
      await run(`INSERT INTO optamil.usage_events FORMAT JSONEachRow ${row}`);
      await warehouse.migrate();
      const ledger = { accountId: "old", periodId: "2026-04", eventIds: [] };
      const [base] = await warehouse.bases([{ ...ledger, budgetId: "key:k1" }]);
      expect(base?.microByTier.mid).toBe(5n);
      await run(
        "ALTER TABLE optamil.usage_events DELETE WHERE account_id = 'old' SETTINGS mutations_sync = 2",
      );
    });

    it.each(schemaStatements)(
      "has cluster statements of %s that the server parses",
      async (name) => {
        for (const statement of toClusterStatements(name, "main")) {
          const parsed = await run(`EXPLAIN AST ${statement.replaceAll(/^--.*\n/gm, "")}`);
          expect(parsed).toMatch(/^(Create|Alter)Query/);
          expect(statement).toContain("ON CLUSTER 'main'");
          expect(statement).not.toMatch(/ENGINE = (Replacing)?MergeTree/);
        }
      },
    );

    it.each(accessStatements)(
      "has a statement for analysts that the server parses: %s",
      async (name) => {
        const statements = [undefined, "main"].flatMap((cluster) =>
          toAccessStatements(name, cluster).map((statement) => ({ cluster, statement })),
        );
        for (const { cluster, statement } of statements) {
          const parsed = await run(`EXPLAIN AST ${statement.replaceAll(/^--.*\n/gm, "")}`);
          expect(parsed).toMatch(/^(CreateRole|CREATE ROW POLICY|Grant)/);
          expect(statement.includes("ON CLUSTER 'main'")).toBe(cluster === "main");
        }
      },
    );

    it("says so where roles cannot be made", async () => {
      expect(await warehouse.makeAnalystRole()).toBe(false);
    });

    it("says that it is unavailable while the server is down, and goes on after", async () => {
      await server.kill();
      await expect(warehouse.sql("SELECT 1")).rejects.toMatchObject({
        code: "service_unavailable",
      });
      await server.restart();
      expect(await warehouse.sql("SELECT count() FROM usage", "TSV")).toBe("1\n");
    });
  });
});

/** Runs a statement beside the warehouse, as an operator would. */
async function runBeside(url: string, statement: string): Promise<string> {
  const answer = await fetch(url, { method: "POST", body: statement });
  const text = await answer.text();
  if (!answer.ok) throw new Error(text);
  return text;
}
