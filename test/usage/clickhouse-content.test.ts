import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClickHouseWarehouse, openClickHouseWarehouse } from "../../src/usage/clickhouse.ts";
import { openClickHouseContent } from "../../src/usage/clickhouse-content.ts";
import { toClusterStatements, toContentRemoval } from "../../src/usage/cluster-schema.ts";
import { contentStatements } from "../../src/usage/statement.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { contentOf, describeContentStore } from "../contracts/content-store.ts";
import { type ClickHouseServer, fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";

await describeWith("ClickHouse", fetchClickHouse, (startClickHouse) => {
  let server: ClickHouseServer;
  let warehouse: ClickHouseWarehouse;
  beforeAll(async () => {
    server = await startClickHouse();
    warehouse = await openClickHouseWarehouse({ url: server.url });
  });
  afterAll(async () => {
    await warehouse.close();
    await server.stop();
  });
  const ask = async (body: string) => {
    const answer = await fetch(server.url, { method: "POST", body });
    const text = await answer.text();
    expect(answer.status, text).toBe(200);
    return text;
  };

  describeContentStore("a ClickHouse server", async () => {
    await ask("TRUNCATE TABLE optamil_content.request_contents");
    return {
      open: (clock) => openClickHouseContent({ warehouse, clock, gatherMs: 1 }),
      remove: () => undefined,
    };
  });

  describe("what a fleet keeps", () => {
    const clock = new ManualClock(Date.now());
    const open = () => openClickHouseContent({ warehouse, clock, gatherMs: 50 });

    it("goes in few inserts however many requests come at once", async () => {
      await ask("TRUNCATE TABLE optamil_content.request_contents");
      const store = open();
      const ids = Array.from({ length: 300 }, (_, number) => `request-${number}`);
      await Promise.all(ids.map((id) => store.put("one", contentOf(clock, id))));
      // What one insert brought has one time.
      const inserts = "SELECT count(DISTINCT kept_at) FROM optamil_content.request_contents";
      expect(Number(await ask(inserts))).toBeLessThanOrEqual(5);
      expect((await store.get("one", "request-299"))?.prompt).toBe("prompt");
    });

    it("is off the disk once it was deleted", async () => {
      const store = open();
      await store.put("gone", contentOf(clock, "a", "a-secret-that-was-said"));
      await store.removeAll("gone");
      expect(
        await ask(
          "SELECT count() FROM optamil_content.request_contents WHERE account_id = 'gone' SETTINGS apply_deleted_mask = 0",
        ),
      ).toBe("0\n");
    });

    it.each([
      "SELECT * FROM optamil_content.request_contents",
      'SELECT * FROM "optamil_content".request_contents',
      "SELECT * FROM `OPTAMIL_CONTENT`.`request_contents`",
      "SELECT * FROM merge('optamil_' || 'content', '.*')",
      "SELECT * FROM loop('optamil_' || 'content', 'request_contents')",
      "SHOW TABLES FROM optamil_content",
    ])("is nothing that analysts can read: %s", async (statement) => {
      await expect(warehouse.sql(statement)).rejects.toMatchObject({ code: "invalid_request" });
    });

    it("is said to be out of reach while the server is away", async () => {
      const away = await startClickHouse();
      const of = await openClickHouseWarehouse({ url: away.url });
      const store = openClickHouseContent({ warehouse: of, clock });
      await away.stop();
      const refusal = { code: "service_unavailable" };
      await expect(store.get("one", "a")).rejects.toMatchObject(refusal);
      await expect(store.removeAll("one")).rejects.toMatchObject(refusal);
      await of.close();
    });

    it("lies on the shard of its account on a cluster, and is deleted there", async () => {
      const statements = contentStatements.flatMap((name) => toClusterStatements(name, "main"));
      expect(statements.join("\n")).toContain(
        "ENGINE = Distributed('main', 'optamil_content', 'request_contents_local', cityHash64(account_id))",
      );
      const removal = toContentRemoval("main");
      expect(removal).toContain(
        "ALTER TABLE optamil_content.request_contents_local ON CLUSTER 'main'",
      );
      for (const statement of [...statements, removal]) {
        const bare = statement.replaceAll(/^--.*\n/gm, "").replaceAll(/\{\w+:String\}/g, "'x'");
        expect(await ask(`EXPLAIN AST ${bare}`)).toMatch(/^(Create|Alter)/);
      }
    });
  });
});
