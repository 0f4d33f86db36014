import { describe, expect, it } from "vitest";
import { type Account, AccountSchema } from "../../src/gen/optamil/v1/accounts_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { bearer, doors, type HeaderMap } from "./doors.ts";
import { type Gateway, runOptamil, startGateway } from "./gateway.ts";
import { alone, expectSoon, expectStored } from "./gateway-fleet.ts";
import { fromRow, refusalOf, rows } from "./refusals.ts";
import { type RestRequest, sendHttp1 } from "./rest-client.ts";

const gateway = await startGateway();
const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };

/** An answer's status and body. */
async function ask(headers: HeaderMap, request: RestRequest, { url }: Gateway = gateway) {
  const reply = await sendHttp1(url, { ...request, headers: { ...headers, ...request.headers } });
  return { status: reply.status, body: JSON.parse(reply.text) };
}

/** A new account, its id, and the headers that carry its first key, which may do everything but administer. */
async function openAccount(): Promise<{ account: Account; headers: HeaderMap }> {
  const request = { path: "/v1/admin/accounts", body: { name: "test", plan: "pro" } };
  const { body } = await ask(bearer(gateway.key), request);
  return { account: jsonCodec(AccountSchema).decode(body.account), headers: bearer(body.key) };
}

/** A key with a budget, as headers and id. */
async function createKey(owner: HeaderMap, request: object) {
  const { status, body } = await ask(owner, { path: "/v1/keys", body: { name: "k", ...request } });
  expect(status).toBe(200);
  return { headers: bearer(body.key), id: String(body.info.id), info: body.info };
}

/** A chat request for one credit; its status. */
async function spend(headers: HeaderMap, of: Gateway = gateway): Promise<number> {
  return (await ask(headers, { path: "/v1/chat/completions", body: chat }, of)).status;
}

async function listBudgets(headers: HeaderMap, of: Gateway = gateway) {
  return (await ask(headers, { path: "/v1/budgets" }, of)).body.data;
}

function setBudget(headers: HeaderMap, id: string, credits: number, of: Gateway = gateway) {
  return ask(headers, { path: `/v1/budgets/${id}`, method: "PUT", body: { credits } }, of);
}

describe.each(doors)("a key with a budget through $name", (door) => {
  it("is served up to it, and refused with 402 then, whole and streamed", async () => {
    const { headers } = await openAccount();
    const key = await createKey(headers, { budget: 2 });
    expect(key.info.budget).toBe(2);
    const target = { url: gateway.url, headers: key.headers };
    await door.chat(target, chat);
    await door.stream(target, chat);
    for (const send of [door.chat, door.stream]) {
      const refusal = await refusalOf(send(target, chat));
      expect(refusal).toMatchObject({ ...fromRow(rows.noCredits, door.kind), param: null });
      expect(refusal.message).toBe(
        "The budget of this key is used up for this billing period. Raise it, or wait for the next period.",
      );
    }
    expect(await listBudgets(headers)).toEqual([
      {
        id: `key:${key.id}`,
        object: "budget",
        credits: 2,
        credits_used: 2,
        credits_remaining: 0,
        threshold_reached: 100,
        period: expect.stringMatching(/^\d{4}-\d\d$/),
      },
    ]);
    expect(await spend(headers)).toBe(200);
  });

  it("goes by the tag of the request too", async () => {
    const { headers } = await openAccount();
    expect((await setBudget(headers, "tag:team-a", 1)).status).toBe(200);
    const tagged = (tag: string) => ({
      url: gateway.url,
      headers: { ...headers, "x-optamil-tag": tag },
    });
    await door.chat(tagged("team-a"), chat);
    const refusal = await refusalOf(door.chat(tagged("team-a"), chat));
    expect(refusal).toMatchObject(fromRow(rows.noCredits, door.kind));
    expect(refusal.message).toContain("The budget of the tag 'team-a' is used up");
    await door.chat(tagged("team-b"), chat);
    await door.chat({ url: gateway.url, headers }, chat);
  });
});

describe("a budget", () => {
  it("of one credit serves one of many requests at once", async () => {
    const { headers } = await openAccount();
    const key = await createKey(headers, { budget: 1 });
    const statuses = await Promise.all(Array.from({ length: 50 }, () => spend(key.headers)));
    expect(statuses.toSorted()).toEqual([200, ...Array.from({ length: 49 }, () => 402)]);
  });

  it("is raised, lowered and taken away at once", async () => {
    const { headers } = await openAccount();
    const key = await createKey(headers, { budget: 1 });
    const id = `key:${key.id}`;
    expect([await spend(key.headers), await spend(key.headers)]).toEqual([200, 402]);
    const raised = await setBudget(headers, id, 2.5);
    expect(raised.body.budget).toMatchObject({
      credits: 2.5,
      credits_used: 1,
      credits_remaining: 1.5,
    });
    await expectSoon(() => spend(key.headers)).toBe(200);
    await expectSoon(() => spend(key.headers)).toBe(402);
    const gone = await ask(headers, { path: `/v1/budgets/${id}`, method: "DELETE" });
    expect(gone.body).toEqual({ id, object: "budget", deleted: true });
    await expectSoon(() => spend(key.headers)).toBe(200);
    expect(await listBudgets(headers)).toEqual([]);
    const again = await ask(headers, { path: `/v1/budgets/${id}`, method: "DELETE" });
    expect(again).toMatchObject({ status: 404, body: { error: { param: "budget_id" } } });
  });

  it("of nothing stops a key or tag", async () => {
    const { headers } = await openAccount();
    await setBudget(headers, "tag:stopped", 0);
    await expectSoon(() => spend({ ...headers, "x-optamil-tag": "stopped" })).toBe(402);
    expect(await listBudgets(headers)).toMatchObject([{ credits: 0, threshold_reached: 0 }]);
  });

  it("counts what its key and tag used before it was set, to the last answer", async () => {
    const { headers } = await openAccount();
    const key = await createKey(headers, {});
    const tagged = { ...key.headers, "x-optamil-tag": "early" };
    expect([await spend(tagged), await spend(tagged)]).toEqual([200, 200]);
    for (const id of [`key:${key.id}`, "tag:early"]) {
      const set = async () => (await setBudget(headers, id, 3)).body.budget;
      await expectStored(set).toMatchObject({ id, credits_used: 2, threshold_reached: 50 });
    }
    expect([await spend(tagged), await spend(tagged)]).toEqual([200, 402]);
  }, 60_000);

  it("goes on with the key that replaces its key, and both count against it meanwhile", async () => {
    const { headers } = await openAccount();
    const old = await createKey(headers, { budget: 3 });
    expect(await spend(old.headers)).toBe(200);
    const rotated = await ask(headers, { path: `/v1/keys/${old.id}/rotate`, body: {} });
    const young = bearer(rotated.body.key);
    expect(rotated.body.info.budget).toBe(3);
    expect([await spend(young), await spend(old.headers)]).toEqual([200, 200]);
    expect([await spend(young), await spend(old.headers)]).toEqual([402, 402]);
    // The line is known by its first key, whichever is named.
    const { body } = await setBudget(headers, `key:${rotated.body.info.id}`, 4);
    expect(body.budget).toMatchObject({ id: `key:${old.id}`, credits_used: 3 });
    await expectSoon(() => spend(young)).toBe(200);
    expect(await spend(old.headers)).toBe(402);
  });

  it("cannot be escaped by its key: it makes no keys and changes no budgets", async () => {
    const { headers } = await openAccount();
    const scopes = ["chat", "keys:write", "usage:read"];
    const key = await createKey(headers, { budget: 1, scopes });
    const made = await ask(key.headers, { path: "/v1/keys", body: { name: "escape" } });
    const raised = await setBudget(key.headers, `key:${key.id}`, 100);
    const other = await setBudget(key.headers, "tag:any", 100);
    expect([made.status, raised.status, other.status]).toEqual([403, 403, 403]);
    expect(await listBudgets(key.headers)).toHaveLength(1);
  });

  it.each([
    ["of another account's key", 404, "budget_id"],
    ["of a key that never was", 404, "budget_id"],
    ["of nothing that is known", 400, "budget_id"],
    ["below nothing", 400, "credits"],
    ["beyond a billion credits", 400, "credits"],
  ])("%s is refused with %i", async (what, status, param) => {
    const { headers } = await openAccount();
    const foreign = (await createKey((await openAccount()).headers, {})).id;
    const asked: Readonly<Record<string, readonly [string, number]>> = {
      "of another account's key": [`key:${foreign}`, 1],
      "of a key that never was": ["key:0190b2c4-0000-7000-8000-00000000000a", 1],
      "of nothing that is known": ["team:a", 1],
      "below nothing": ["tag:a", -1],
      "beyond a billion credits": ["tag:a", 1_000_000_001],
    };
    const [id = "", credits = 0] = asked[what] ?? [];
    const refused = await setBudget(headers, id, credits);
    expect(refused).toMatchObject({ status, body: { error: { param } } });
  });

  it("of a tag is one of 256 at most", async () => {
    const { headers } = await openAccount();
    for (let number = 0; number < 256; number++) await setBudget(headers, `tag:t${number}`, 1);
    const refused = await setBudget(headers, "tag:one-more", 1);
    expect(refused).toMatchObject({ status: 400, body: { error: { param: "budget_id" } } });
    const first = await ask(headers, { path: "/v1/budgets?limit=100" });
    expect(first.body).toMatchObject({ has_more: true });
    const last = first.body.data.at(-1).id;
    const next = await ask(headers, { path: `/v1/budgets?limit=100&after=${last}` });
    const ids = [...first.body.data, ...next.body.data].map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted());
    expect(new Set(ids).size).toBe(200);
  }, 60_000);

  it("is told in the list of changes, by what it was before", async () => {
    const { account, headers } = await openAccount();
    const key = await createKey(headers, { budget: 5 });
    await setBudget(headers, "tag:a", 1);
    await setBudget(headers, "tag:a", 2);
    await setBudget(headers, `key:${key.id}`, 6);
    const path = `/v1/admin/changes?account_id=${account.id}&limit=3`;
    const { body } = await ask(bearer(gateway.key), { path });
    const shown = body.data.map(({ action, fields }: Record<string, unknown>) => [action, fields]);
    expect(shown).toEqual([
      ["budget.changed", [{ field: "budget_micro", before: "5000000", after: "6000000" }]],
      ["budget.changed", [{ field: "tag_budgets[a]", before: "1000000", after: "2000000" }]],
      ["budget.changed", [{ field: "tag_budgets[a]", before: null, after: "1000000" }]],
    ]);
  });

  it("gets back what is refunded", async () => {
    const { account, headers } = await openAccount();
    const key = await createKey(headers, { budget: 1 });
    expect([await spend(key.headers), await spend(key.headers)]).toEqual([200, 402]);
    await runOptamil(["audit"], gateway.dataDirectory);
    const select = `SELECT event_id FROM usage WHERE account_id = '${account.id}' AND credits > 0`;
    const found = await runOptamil(["sql", select, "--format", "TSV"], gateway.dataDirectory);
    const refund = ["accounts", "refund", account.id, found.stdout.trim()];
    expect(await runOptamil(refund, gateway.dataDirectory)).toMatchObject({ code: 0 });
    const usedAfterAudit = async () => {
      await runOptamil(["audit"], gateway.dataDirectory);
      return (await listBudgets(headers)).at(0)?.credits_used;
    };
    await expect.poll(usedAfterAudit, { timeout: 50_000 }).toBe(0);
    expect(await spend(key.headers)).toBe(200);
  }, 90_000);

  it("tells of 50, 80 and 100 per cent once each, and analysts what was spent", async () => {
    const { account, headers } = await openAccount();
    await setBudget(headers, "tag:report", 5);
    const tagged = { ...headers, "x-optamil-tag": "report" };
    for (let count = 0; count < 6; count++) await spend(tagged);
    await runOptamil(["audit"], gateway.dataDirectory);
    const ofAccount = `account_id = '${account.id}'`;
    const query = (select: string) =>
      runOptamil(["sql", `${select} WHERE ${ofAccount}`, "--format", "CSV"], gateway.dataDirectory);
    const reached = () =>
      query("SELECT arraySort(groupArray((percent, budget_id, credits))) FROM budget_thresholds");
    await expect
      .poll(async () => (await reached()).stdout, { timeout: 20_000 })
      .toBe(`"[(50,'tag:report',5),(80,'tag:report',5),(100,'tag:report',5)]"\n`);
    const spent = await query("SELECT tag, requests, credits FROM spending");
    expect(spent.stdout).toBe('"report",5,5\n');
    const audited = await runOptamil(["audit", "--json"], gateway.dataDirectory);
    expect(audited).toMatchObject({ code: 0 });
  }, 60_000);

  alone("a fleet's counters are in Redis", () =>
    it("stands where it was after the gateway was killed with -9", async () => {
      const first = await startGateway();
      const owner = bearer(first.key);
      await setBudget(owner, "tag:job", 3, first);
      const tagged = { ...owner, "x-optamil-tag": "job" };
      expect([await spend(tagged, first), await spend(tagged, first)]).toEqual([200, 200]);
      await first.kill();
      const second = await startGateway({ dataDirectory: first.dataDirectory });
      expect(await listBudgets(owner, second)).toMatchObject([{ credits_used: 2 }]);
      expect([await spend(tagged, second), await spend(tagged, second)]).toEqual([200, 402]);
    }, 60_000),
  );

  it("of any account is set, shown and taken away by an admin, who revokes its keys too", async () => {
    const { account, headers } = await openAccount();
    const admin = bearer(gateway.key);
    const key = await createKey(headers, {});
    const path = `/v1/admin/accounts/${account.id}`;
    const budget = `${path}/budgets/key:${key.id}`;
    const set = await ask(admin, { path: budget, method: "PUT", body: { credits: 1 } });
    expect(set.body.budget).toMatchObject({ id: `key:${key.id}`, credits: 1 });
    expect([await spend(key.headers), await spend(key.headers)]).toEqual([200, 402]);
    const shown = await ask(admin, { path: `${path}/budgets` });
    expect(shown.body).toEqual({
      object: "list",
      data: await listBudgets(headers),
      has_more: false,
    });
    expect((await ask(admin, { path: budget, method: "DELETE" })).body).toMatchObject({
      deleted: true,
    });
    const keys = await ask(admin, { path: `${path}/keys` });
    expect(keys.body.data.map(({ id }: { id: string }) => id)).toContain(key.id);
    const revoked = await ask(admin, { path: `${path}/keys/${key.id}`, method: "DELETE" });
    expect(revoked.body.info.revoked_at).toBeGreaterThan(0);
    await expectSoon(() => spend(key.headers)).toBe(401);
    const nobody = "0190b2c4-0000-7000-8000-00000000000a";
    for (const what of ["keys", "budgets"]) {
      const lost = await ask(admin, { path: `/v1/admin/accounts/${nobody}/${what}` });
      expect(lost.status).toBe(404);
    }
    expect((await ask(headers, { path: `${path}/keys` })).status).toBe(403);
  });

  it("is shown beside the usage", async () => {
    const { headers } = await openAccount();
    await setBudget(headers, "tag:a", 1);
    const { body } = await ask(headers, { path: "/v1/usage/budgets" });
    expect(body.data).toEqual(await listBudgets(headers));
  });

  it("and keys of another account are reached on the command line", async () => {
    const { account, headers } = await openAccount();
    const key = await createKey(headers, {});
    const run = (...words: string[]) => runOptamil(words, gateway.dataDirectory);
    const made = await run("budgets", "set", "tag:cli", "3", "--account", account.id, "--json");
    expect(JSON.parse(made.stdout)).toMatchObject({ id: "tag:cli", credits: 3 });
    const listed = await run("budgets", "list", "--account", account.id, "--json");
    expect(JSON.parse(listed.stdout).data).toEqual(await listBudgets(headers));
    expect((await run("accounts", "keys", account.id)).stdout).toContain(key.id);
    const revoked = await run("accounts", "revoke-key", account.id, key.id, "--reason", "leaked");
    expect(revoked.stdout).toBe(`revoked ${key.id}\n`);
    await expectSoon(() => spend(key.headers)).toBe(401);
    const gone = await run("budgets", "remove", "tag:cli", "--account", account.id);
    expect(gone.stdout).toBe("removed tag:cli\n");
  }, 60_000);

  it("is set, listed and removed on the command line", async () => {
    const run = (...words: string[]) => runOptamil(words, gateway.dataDirectory);
    const made = await run("keys", "create", "--name", "cli", "--budget", "7.5", "--json");
    const { info } = JSON.parse(made.stdout);
    expect(info.budget).toBe(7.5);
    expect((await run("budgets", "set", "tag:cli", "12")).stdout).toContain("tag:cli  12");
    const listed = await run("budgets", "list");
    expect(listed.stdout).toMatch(new RegExp(`key:${info.id} +7\\.5 +0 +7\\.5`));
    expect((await run("budgets", "remove", "tag:cli")).stdout).toBe("removed tag:cli\n");
    expect(await run("budgets", "set", "tag:cli")).toMatchObject({ code: 2 });
    expect((await run("budgets", "remove", "tag:cli")).stderr).toContain("no such budget");
  }, 60_000);
});
