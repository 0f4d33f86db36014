import { expect, it } from "vitest";
import { startFleet } from "../chaos/fleet.ts";
import { bearer } from "../e2e/doors.ts";
import { startGateway } from "../e2e/gateway.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { sqlUser } from "../setup/clickhouse-access.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { openBrowser, openPage, settled, signInWithKey } from "./browser.ts";
import { inspect, sizes } from "./inspect.ts";

/** The first account of every fleet, and one that there is not, with a role each. */
const first = "01900000-0000-7000-8000-000000000001";
const other = "01900000-0000-7000-8000-000000000002";

async function open() {
  const [executable, startClickHouse] = await Promise.all([
    debianTool("chromium"),
    fetchClickHouse(),
  ]);
  return { executable, startClickHouse: () => startClickHouse([first, other]) };
}

async function postSql(url: string, key: string, body: object) {
  const { status, text } = await sendHttp1(url, {
    path: "/v1/usage/sql",
    headers: bearer(key),
    body,
  });
  return { status, body: JSON.parse(text) };
}

await describeWith("SQL of accounts", open, ({ executable, startClickHouse }) => {
  it("is asked on its page about one's own requests, by a fleet whose ClickHouse has roles", {
    timeout: 180_000,
  }, async () => {
    const fleet = await startFleet({
      ...{ startClickHouse, gateways: 1, consumers: 1 },
      clickhouse: { analystUsername: sqlUser.username, analystPasswordEnv: "TEST_SQL_PASSWORD" },
      env: { TEST_SQL_PASSWORD: sqlUser.password },
    });
    try {
      const { url, key } = await fleet.address();
      const chat = { model: "auto", messages: [{ role: "user", content: "Hi" }] };
      const headers = { ...bearer(key), "x-optamil-tag": "mine" };
      const path = "/v1/chat/completions";
      expect((await sendHttp1(url, { path, headers, body: chat })).status).toBe(200);
      const counted = { sql: "SELECT count() AS n FROM usage" };
      const count = async (body: object) => (await postSql(url, key, body)).body.text;
      await expect.poll(() => count(counted), { timeout: 60_000 }).toBe('{"n":1}\n');
      // An admin may name another account, and sees that one's rows alone.
      const admin = { headers: bearer(key), path: "/v1/admin/accounts", body: { name: "Team" } };
      const team = JSON.parse((await sendHttp1(url, admin)).text);
      const foreign = { ...counted, account_id: team.account.id };
      expect(await postSql(url, key, foreign)).toMatchObject({ status: 503 });
      expect(await postSql(url, team.key, { ...counted, account_id: first })).toMatchObject({
        status: 403,
        body: { error: { param: "account_id" } },
      });
      expect(await postSql(url, key, { sql: "SELECT * FROM system.users" })).toMatchObject({
        status: 400,
        body: { error: { message: "system is not taken here." } },
      });

      // What is said in requests is kept where no SQL reaches it.
      const keeping = { path: "/v1/account/content", method: "PUT", body: { keep: true } };
      expect((await sendHttp1(url, { ...keeping, headers: bearer(key) })).status).toBe(200);
      const contents = { sql: "SELECT * FROM optamil_content.request_contents" };
      expect(await postSql(url, key, contents)).toMatchObject({
        status: 400,
        body: { error: { message: "optamil_content is not taken here." } },
      });

      const watched = await openPage(await openBrowser(executable), url);
      const { page } = watched;
      await signInWithKey(page, url, key);
      await page.goto(`${url}/sql`);
      await settled(page);
      const statement = page.getByRole("textbox", { name: "Statement" });
      await statement.fill(
        "SELECT tag, '<img src=x>' AS html, 18446744073709551615 AS large, NULL AS nothing FROM usage",
      );
      await page.getByRole("button", { name: "Ask" }).click();
      const answer = page.getByRole("region", { name: "Answer" });
      await answer.waitFor();
      expect((await answer.locator("tbody td").allInnerTexts()).slice(0, 3)).toEqual([
        "mine",
        "<img src=x>",
        "18446744073709551615",
      ]);
      await page.getByText("optamil.usage_by_day", { exact: true }).click();
      expect(await inspect(watched, "sql-answer")).toEqual([]);
      await page.setViewportSize(sizes.large);
      await statement.fill("SELECT * FROM file('/etc/passwd')");
      await statement.press("Control+Enter");
      await page.getByRole("alert").getByText("file is not taken here.").waitFor();
      expect(watched.troubles).toEqual([]);
    } finally {
      await fleet.stop();
    }
  });

  it("is not there where the warehouse is embedded, which the API and the page say", async () => {
    const gateway = await startGateway();
    expect(await postSql(gateway.url, gateway.key, { sql: "SELECT 1" })).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringContaining("clickhouse.analystUsername") } },
    });
    const { page } = await openPage(await openBrowser(executable), gateway.url);
    await signInWithKey(page, gateway.url, gateway.key);
    await page.goto(`${gateway.url}/sql`);
    await page.getByText("There is no SQL for accounts here").waitFor();
  });
});
