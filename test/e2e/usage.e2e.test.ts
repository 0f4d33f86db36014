import { describe, expect, it } from "vitest";
import { type Account, AccountSchema } from "../../src/gen/optamil/v1/accounts_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { bearer, doors, type HeaderMap } from "./doors.ts";
import { runOptamil, startGateway } from "./gateway.ts";
import { alone, expectStored } from "./gateway-fleet.ts";
import { fromRow, refusalOf, rows } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const config = {
  plans: [
    {
      name: "tiny",
      creditsPerMonth: 3,
      requestsPerMinute: 100,
      requestsPerDay: 100,
      tokensPerMinute: 100_000,
    },
    {
      name: "slow",
      creditsPerMonth: 9,
      requestsPerMinute: 2,
      requestsPerDay: 100,
      tokensPerMinute: 100_000,
    },
    {
      name: "daily",
      creditsPerMonth: 9,
      requestsPerMinute: 100,
      requestsPerDay: 2,
      tokensPerMinute: 100_000,
    },
  ],
};
const gateway = await startGateway({ config });
const admin = bearer(gateway.key);
const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };
const rateHeaders = [
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
  "x-ratelimit-reset",
  "x-ratelimit-window",
  "x-ratelimit-limit-requests",
  "x-ratelimit-remaining-requests",
  "x-ratelimit-reset-requests",
  "x-ratelimit-limit-tokens",
  "x-ratelimit-remaining-tokens",
  "x-ratelimit-reset-tokens",
];

/** A new account on a plan, and the headers that carry its key. */
async function openAccount(plan: string): Promise<{ account: Account; headers: HeaderMap }> {
  const body = { name: "test", plan };
  const reply = await sendHttp1(gateway.url, { path: "/v1/admin/accounts", headers: admin, body });
  const { account, key } = JSON.parse(reply.text);
  return { account: jsonCodec(AccountSchema).decode(account), headers: bearer(key) };
}

async function usageOf(headers: HeaderMap): Promise<Record<string, unknown>> {
  return JSON.parse((await sendHttp1(gateway.url, { path: "/v1/usage", headers })).text);
}

describe("GET /v1/usage", () => {
  it("has the seed's shape and key order, and counts a request at once", async () => {
    const { headers } = await openAccount("free");
    for (let asked = 1; asked <= 6; asked++) {
      const cheapest = { ...headers, "x-optamil-quality": "0" };
      await sendHttp1(gateway.url, { path: "/v1/chat/completions", headers: cheapest, body: chat });
      expect(await usageOf(headers)).toMatchObject({ credits_used: asked });
    }
    const usage = await usageOf(headers);
    expect(Object.keys(usage)).toEqual([
      "credits_used",
      "credits_remaining",
      "credits_total",
      "billing_period_start",
      "billing_period_end",
      "tier_breakdown",
    ]);
    expect(usage).toEqual({
      credits_used: 6,
      credits_remaining: 494,
      credits_total: 500,
      billing_period_start: expect.stringMatching(/^\d{4}-\d\d-01T00:00:00Z$/),
      billing_period_end: expect.stringMatching(/^\d{4}-\d\d-\d\dT23:59:59Z$/),
      tier_breakdown: { free: 6, budget: 0, mid: 0, premium: 0, ultra: 0 },
    });
  });
});

describe("an account without credits", () => {
  it.each(doors)("gets the seed's refusal through $name", async (door) => {
    const { headers } = await openAccount("tiny");
    const target = { url: gateway.url, headers };
    for (let asked = 0; asked < 3; asked++) await door.chat(target, chat);
    for (const ask of [door.chat, door.stream]) {
      const refusal = await refusalOf(ask(target, chat));
      expect(refusal).toMatchObject({ ...fromRow(rows.noCredits, door.kind), param: null });
      expect(refusal.message).toBe("Insufficient credits. Please upgrade your plan.");
      expect(refusal.headers["retry-after"]).toBeUndefined();
    }
    expect(await usageOf(headers)).toMatchObject({ credits_used: 3, credits_remaining: 0 });
  });

  it("serves one of many requests at once for its last credit", async () => {
    const { headers } = await openAccount("tiny");
    const send = () =>
      sendHttp1(gateway.url, { path: "/v1/chat/completions", headers, body: chat });
    await send();
    await send();
    const replies = await Promise.all(Array.from({ length: 50 }, send));
    const answered = replies.filter(({ status }) => status === 200);
    const refused = replies.filter(({ status }) => status === 402);
    expect([answered.length, refused.length]).toEqual([1, 49]);
    expect(await usageOf(headers)).toMatchObject({ credits_used: 3, credits_remaining: 0 });
  });
});

describe.each(doors)("the rate headers through $name", (door) => {
  it("are on answers, streams and refusals", async () => {
    const { headers } = await openAccount("slow");
    const target = { url: gateway.url, headers };
    const first = await door.chat(target, chat);
    const second = await door.stream(target, chat);
    expect(first.headers).toMatchObject({ "x-ratelimit-limit": "2", "x-ratelimit-remaining": "1" });
    expect(second.headers).toMatchObject({
      "x-ratelimit-limit": "2",
      "x-ratelimit-remaining": "0",
    });
    const refused = await refusalOf(door.chat(target, chat));
    expect(refused).toMatchObject(fromRow(rows.tooMany, door.kind));
    expect(refused.headers).toMatchObject({
      "x-ratelimit-window": "requests-minute",
      "retry-after": expect.stringMatching(/^([1-9]|[1-5]\d|60)$/),
    });
    const invalid = await refusalOf(door.chat(target, { ...chat, temperature: 9 }));
    for (const { headers: shown } of [first, second, refused, invalid]) {
      expect(Object.keys(shown)).toEqual(expect.arrayContaining(rateHeaders));
    }
  });
});

describe("an Idempotency-Key", () => {
  it("gives the same answer again through every door, for one charge", async () => {
    const { headers } = await openAccount("free");
    const target = { url: gateway.url, headers: { ...headers, "idempotency-key": "order-1" } };
    const answers = [];
    for (const door of doors) answers.push((await door.chat(target, chat)).body);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(await usageOf(headers)).toMatchObject({ credits_used: 1 });
    const other = { ...chat, messages: [{ role: "user", content: "Something else." }] };
    const reply = await sendHttp1(gateway.url, {
      path: "/v1/chat/completions",
      headers: target.headers,
      body: other,
    });
    expect(reply.status).toBe(422);
  });
});

describe("the warehouse", () => {
  it("shows the same request, is found in order by the audit, and takes a refund", async () => {
    const { account, headers } = await openAccount("free");
    await sendHttp1(gateway.url, { path: "/v1/chat/completions", headers, body: chat });
    const audited = await runOptamil(["audit", "--json"], gateway.dataDirectory);
    expect(audited).toMatchObject({ code: 0 });
    const select = `SELECT event_id, outcome, credits_micro FROM usage_events WHERE account_id = '${account.id}'`;
    const found = async () =>
      (await runOptamil(["sql", select, "--json"], gateway.dataDirectory)).stdout;
    await expectStored(found).toContain('"ok"');
    const eventId = /[0-9a-f-]{36}/.exec(await found())?.[0] ?? "";
    const refund = ["accounts", "refund", account.id, eventId, "--json"];
    expect(await runOptamil(refund, gateway.dataDirectory)).toMatchObject({ code: 0 });
    // The counters learn of it with the next sums, which are paced; an audit asks for them at once.
    const usageAfterAudit = async () => {
      await runOptamil(["audit"], gateway.dataDirectory);
      return usageOf(headers);
    };
    await expect
      .poll(usageAfterAudit, { timeout: 50_000 })
      .toMatchObject({ credits_used: 0, credits_remaining: 500 });
  }, 90_000);
});

describe("X-Optamil-Tag", () => {
  it("names the work in the events of requests through every door, refusals included", async () => {
    const { account, headers } = await openAccount("tiny");
    const tagged = (tag: string) => ({
      url: gateway.url,
      headers: { ...headers, "x-optamil-tag": tag },
    });
    for (const [at, door] of doors.slice(0, 3).entries()) {
      await door.chat(tagged(`team-${at}`), chat);
    }
    await refusalOf(doors[4]?.chat(tagged("team-4"), chat) ?? Promise.resolve());
    await runOptamil(["audit"], gateway.dataDirectory);
    const select = `SELECT tag, kind FROM usage_events WHERE account_id = '${account.id}' ORDER BY tag`;
    const found = () => runOptamil(["sql", select, "--format", "CSV"], gateway.dataDirectory);
    await expect
      .poll(async () => (await found()).stdout, { timeout: 20_000 })
      .toBe('"team-0","request"\n"team-1","request"\n"team-2","request"\n"team-4","rejected"\n');
  }, 60_000);

  it.each(doors)("is refused through $name where it is none", async (door) => {
    const target = { url: gateway.url, headers: { ...admin, "x-optamil-tag": "a b" } };
    const refusal = await refusalOf(door.chat(target, chat));
    expect(refusal).toMatchObject(fromRow(rows.invalid, door.kind));
    expect(refusal.message).toContain("X-Optamil-Tag");
  });
});

alone("a fleet's counters are in Redis", () => {
  it.each([
    ["slow", "requests-minute"],
    ["daily", "requests-day"],
  ])(
    "a gateway that was killed with -9 and started again has the limits of the %s plan where they were: %s",
    async (plan, window) => {
      const first = await startGateway({ config });
      const body = { name: "test", plan };
      const path = "/v1/admin/accounts";
      const opened = await sendHttp1(first.url, { path, headers: bearer(first.key), body });
      const headers = bearer(JSON.parse(opened.text).key);
      const ask = (url: string) =>
        sendHttp1(url, { path: "/v1/chat/completions", headers, body: chat });
      expect((await ask(first.url)).status).toBe(200);
      expect((await ask(first.url)).status).toBe(200);
      await first.kill();
      const { dataDirectory } = first;
      const second = await startGateway({ config, dataDirectory });
      const refused = await ask(second.url);
      expect(refused.status).toBe(429);
      expect(refused.headers["x-ratelimit-window"]).toBe(window);
    },
  );
});
