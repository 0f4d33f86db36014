import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ClickHouseWarehouse, openClickHouseWarehouse } from "../../src/usage/clickhouse.ts";
import {
  type OpenAccountSql,
  openClickHouseAccountSql,
} from "../../src/usage/clickhouse-account-sql.ts";
import { type ClickHouseServer, fetchClickHouse } from "../setup/clickhouse.ts";
import { sqlUser } from "../setup/clickhouse-access.ts";
import { describeWith } from "../setup/describe-with.ts";
import { placeEvents, sampleEvent } from "./sample-events.ts";

const one = "01900000-0000-7000-8000-000000000001";
const other = "01900000-0000-7000-8000-000000000002";
const nobody = "01900000-0000-7000-8000-000000000003";

await describeWith("SQL of accounts on ClickHouse", fetchClickHouse, (startClickHouse) => {
  let server: ClickHouseServer;
  let warehouse: ClickHouseWarehouse;
  let sql: OpenAccountSql;
  /** Connections that anybody made to a port that nobody has a reason to know. */
  let visits = 0;
  const trap = createServer((socket) => {
    visits += 1;
    socket.destroy();
  });

  beforeAll(async () => {
    trap.listen(0, "127.0.0.1");
    await once(trap, "listening");
    server = await startClickHouse([one, other]);
    warehouse = await openClickHouseWarehouse({ url: server.url });
    const events = [one, one, other, nobody].map((accountId, number) =>
      sampleEvent({ accountId, tag: `secret-${number}` }),
    );
    await warehouse.insert({ logName: "usage/0", logEpoch: 1, events: placeEvents(events) });
    sql = openClickHouseAccountSql({ url: server.url, ...sqlUser, warehouse });
  });
  afterAll(async () => {
    await Promise.all([sql.close(), warehouse.close()]);
    await server.stop();
    trap.close();
  });

  /** By the user's own client, past the gateway's check of words: the server's rights alone stand in the way. */
  async function askServer(
    statement: string,
    roles = ["optamil_analyst", `optamil_account_${one}`],
  ) {
    const url = new URL(server.url);
    for (const role of roles) url.searchParams.append("role", role);
    const headers = {
      "X-ClickHouse-User": sqlUser.username,
      "X-ClickHouse-Key": sqlUser.password,
    };
    const answer = await fetch(url, { method: "POST", body: statement, headers });
    return { ok: answer.ok, text: await answer.text() };
  }

  const port = () => {
    const address = trap.address();
    return typeof address === "object" ? String(address?.port) : "";
  };

  it("shows an account its own rows, in every view and table, and no others", async () => {
    const ask = (accountId: string, statement: string) => sql.query(accountId, statement, "TSV");
    expect(await ask(one, "SELECT tag FROM usage ORDER BY tag")).toBe("secret-0\nsecret-1\n");
    expect(await ask(other, "SELECT tag FROM usage ORDER BY tag")).toBe("secret-2\n");
    const views = new Set((await sql.views()).map(({ view }) => view));
    expect([...views]).toContain("optamil.usage_by_day");
    for (const view of [...views, "optamil.usage_events"]) {
      const text = await ask(one, `SELECT * FROM ${view} FORMAT JSONEachRow`);
      for (const foreign of [other, nobody, "secret-2", "secret-3"])
        expect(text, view).not.toContain(foreign);
    }
    expect(await ask(one, "SELECT count() FROM optamil.usage_records")).toBe("0\n");
    // Those who are no analysts see everything, as before.
    expect(await warehouse.sql("SELECT count() FROM usage", "TSV")).toBe("4\n");
  });

  it("answers in the format that is asked for, and says what is wrong with a statement", async () => {
    const statement = "SELECT count() AS requests, sum(credits) AS credits FROM usage";
    expect(await sql.query(one, statement, "JSONEachRow")).toBe('{"requests":2,"credits":2}\n');
    await expect(sql.query(one, "SELECT no_such_column FROM usage", "TSV")).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining("no_such_column"),
    });
    const large = "SELECT repeat('x', 1000000) FROM numbers(17)";
    await expect(sql.query(one, large, "TSV")).rejects.toMatchObject({
      code: "invalid_request",
      message: "The answer is over 16 MB: add a LIMIT.",
    });
  });

  it("refuses an account without a role where the gateway may not make one, and what is no account's id", async () => {
    await expect(sql.query(nobody, "SELECT count() FROM usage", "TSV")).rejects.toMatchObject({
      code: "service_unavailable",
      message: expect.stringContaining("docs/analytics.md"),
    });
    await expect(sql.query(`${one}"`, "SELECT 1", "TSV")).rejects.toMatchObject({
      code: "invalid_request",
      param: "account_id",
    });
  });

  it("shows nothing to the role of analysts alone", async () => {
    const { text } = await askServer("SELECT count() FROM optamil.usage", ["optamil_analyst"]);
    expect(text).toBe("0\n");
  });

  it.each([
    [
      "a condition",
      "SELECT tag FROM optamil.usage_events WHERE throwIf(account_id != '{one}') = 0",
    ],
    [
      "PREWHERE",
      "SELECT tag FROM optamil.usage_events PREWHERE throwIf(account_id != '{one}') = 0",
    ],
    ["what is shown", "SELECT throwIf(account_id != '{one}') FROM optamil.usage_events"],
    [
      "a join",
      "SELECT a.tag FROM optamil.usage a JOIN optamil.usage_events b ON throwIf(b.account_id != '{one}') = a.rev - 1",
    ],
    [
      "view()",
      "SELECT throwIf(account_id != '{one}') FROM view(SELECT * FROM optamil.usage_events)",
    ],
    ["a subquery", "SELECT throwIf((SELECT uniqExact(account_id) FROM optamil.usage_events) != 1)"],
    [
      "the parts",
      "SELECT throwIf(sum(n) != 2) FROM (SELECT _part, count() AS n FROM optamil.usage_events GROUP BY _part)",
    ],
  ])("lets no other row be seen by %s", async (_what, statement) => {
    const asked = statement.replaceAll("{one}", one);
    expect(await askServer(asked)).toMatchObject({ ok: true });
    expect(await sql.query(one, asked, "TSV")).not.toContain("secret-2");
  });

  it("lets no other row be seen by merge(), which its door refuses besides", async () => {
    const asked = `SELECT throwIf(account_id != '${one}') FROM merge('optamil', '^usage_events$')`;
    expect(await askServer(asked)).toMatchObject({ ok: true });
    await expect(sql.query(one, asked, "TSV")).rejects.toMatchObject({ code: "invalid_request" });
  });

  const forbidden = [
    ["writes rows", "INSERT INTO optamil.usage_events (account_id) VALUES ('x')"],
    ["deletes rows", "ALTER TABLE optamil.usage_events DELETE WHERE 1"],
    ["makes tables", "CREATE TABLE optamil.mine (a Int8) ENGINE = Memory"],
    ["makes temporary tables", "CREATE TEMPORARY TABLE mine (a Int8)"],
    ["drops tables", "DROP TABLE optamil.usage_events"],
    ["grants itself more", `GRANT SELECT ON *.* TO ${sqlUser.username}`],
    ["makes users", "CREATE USER mallory"],
    ["changes settings", "SELECT 1 SETTINGS readonly = 0"],
    ["lifts its bounds", "SELECT 1 SETTINGS max_execution_time = 0"],
    ["sets settings", "SET max_memory_usage = 0"],
    ["writes files", "SELECT 1 INTO OUTFILE '/tmp/optamil-outfile'"],
    ["reads files", "SELECT * FROM file('/etc/passwd', 'LineAsString')"],
    ["lists files", "SELECT * FROM filesystem('/etc')"],
    ["reads databases in files", "SELECT * FROM sqlite('/etc/x', 't')"],
    ["runs programs", "SELECT * FROM executable('id', 'TSV', 'a String')"],
    ["calls URLs", "SELECT * FROM url('http://127.0.0.1:{port}/', 'LineAsString')"],
    ["calls buckets", "SELECT * FROM s3('http://127.0.0.1:{port}/bucket/key', 'CSV', 'a String')"],
    ["calls other servers", "SELECT * FROM remote('127.0.0.1:{port}', 'system', 'one')"],
    ["calls MySQL", "SELECT * FROM mysql('127.0.0.1:{port}', 'a', 'b', 'c', 'd')"],
    ["calls PostgreSQL", "SELECT * FROM postgresql('127.0.0.1:{port}', 'a', 'b', 'c', 'd')"],
    ["calls Redis", "SELECT * FROM redis('127.0.0.1:{port}', 'k', 'k String, v String')"],
    ["sees users", "SELECT * FROM system.users"],
    ["sees who asks what", "SELECT * FROM system.processes"],
    ["sees how much there is", "SELECT * FROM system.parts"],
    ["ends statements", "KILL QUERY WHERE 1"],
    ["copies tables", "BACKUP TABLE optamil.usage_events TO File('/tmp/optamil-backup')"],
  ] as const;

  describe.each(forbidden)("what %s is refused", (_what, statement) => {
    const asked = () => statement.replaceAll("{port}", port());

    it("by the door", async () => {
      await expect(sql.query(one, asked(), "TSV")).rejects.toMatchObject({
        code: "invalid_request",
      });
      expect(visits).toBe(0);
    });

    it("by the server, whatever the door lets through", async () => {
      const answer = await askServer(asked());
      expect(answer.ok, answer.text).toBe(false);
      expect(answer.text).toMatch(
        /ACCESS_DENIED|READONLY|INTO_OUTFILE_NOT_ALLOWED|Not enough privileges/,
      );
      expect(visits).toBe(0);
    });
  });

  it.each([
    "SELECT * FROM mergeTreeIndex('optamil', 'usage_events')",
    "SELECT file('/etc/passwd')",
    "EXPLAIN ESTIMATE SELECT * FROM optamil.usage_events",
    "SET ROLE ALL",
  ])("refuses at its door what the server's rights leave open: %s", async (statement) => {
    await expect(sql.query(one, statement, "TSV")).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  it("says that it is unavailable where its user cannot sign in, or the server is down", async () => {
    const wrong = openClickHouseAccountSql({
      ...{ url: server.url, username: sqlUser.username, password: "wrong", warehouse },
    });
    const asked = wrong.query(one, "SELECT 1", "TSV");
    await expect(asked).rejects.toMatchObject({ code: "service_unavailable" });
    await wrong.close();
    await server.kill();
    await expect(sql.query(one, "SELECT 1", "TSV")).rejects.toMatchObject({
      code: "service_unavailable",
    });
    await server.restart();
    expect(await sql.query(one, "SELECT count() FROM usage", "TSV")).toBe("2\n");
  });
});
