import { once } from "node:events";
import { request as requestHttp1 } from "node:http";
import { afterAll, describe, expect, it } from "vitest";
import { chunk, event, openUpstream } from "../fakes/openai-upstream.ts";
import { bearer, doors, type HeaderMap } from "./doors.ts";
import { runOptamil, startGateway } from "./gateway.ts";
import { expectSoon, inFleet } from "./gateway-fleet.ts";
import { refusalOf } from "./refusals.ts";
import { readText, sendHttp1 } from "./rest-client.ts";

/** One event, then nothing: its end is the gateway's. */
const endless = await openUpstream((response) => {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(event(chunk({ content: "Hel" })));
});
afterAll(endless.close);
const gateway = await startGateway({
  config: {
    plans: [{ name: "business", requestsPerMinute: 1_000_000, tokensPerMinute: 1_000_000_000 }],
    providers: [
      { name: "demo", kind: "demo", models: ["gemini-2.5-flash", "gpt-4.1", "gpt-5", "o3"] },
      { name: "endless", kind: "openai", baseUrl: endless.baseUrl, models: ["gpt-4.1-mini"] },
    ],
  },
});
const admin = bearer(gateway.key);
const chatPath = "/v1/chat/completions";
const chat = (model: string) => ({ model, messages: [{ role: "user", content: "Say hello." }] });

async function post(path: string, body: object) {
  const reply = await sendHttp1(gateway.url, { path, body, headers: admin });
  expect(reply.status, reply.text).toBe(200);
  return JSON.parse(reply.text);
}

async function createKey(may: object = {}): Promise<{ id: string; headers: HeaderMap }> {
  const { key, info } = await post("/v1/keys", { name: "test", ...may });
  return { id: info.id, headers: bearer(key) };
}

const ask = (headers: HeaderMap, model: string) =>
  sendHttp1(gateway.url, { path: chatPath, headers, body: chat(model) });

/** A stream that has begun; `rest` resolves with all of its text. */
async function openStream(headers: HeaderMap) {
  const sent = requestHttp1(`${gateway.url}${chatPath}`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
  });
  sent.end(JSON.stringify({ ...chat("gpt-4.1-mini"), stream: true }));
  const [response] = await once(sent, "response");
  return { status: response.statusCode, rest: readText(response) };
}

describe("a leaked key", () => {
  it("is refused at once, and what it has running ends with an error frame", async () => {
    const leaked = await createKey();
    const other = await createKey();
    const [cut, kept] = [await openStream(leaked.headers), await openStream(other.headers)];
    const path = `/v1/keys/${leaked.id}?reason=leaked`;
    await sendHttp1(gateway.url, { path, method: "DELETE", headers: admin });
    const text = await cut.rest;
    expect(text).toContain("Hel");
    expect(text).toContain('"type":"authentication_error"');
    expect(text).not.toContain("[DONE]");
    await expectSoon(async () => (await ask(leaked.headers, "gpt-5")).status).toBe(401);
    const unused = `/v1/keys/${other.id}?reason=unused`;
    await sendHttp1(gateway.url, { path: unused, method: "DELETE", headers: admin });
    await expectSoon(async () => (await ask(other.headers, "gpt-5")).status).toBe(401);
    const state = await Promise.race([kept.rest, Promise.resolve("still running")]);
    expect(state).toBe("still running");
    await endless.close();
    await kept.rest;
  });
});

describe("a key of some tiers", () => {
  it.each(doors)(
    "asks for their models alone through $name, and auto stays in them",
    async (door) => {
      const { headers } = await createKey({ tiers: ["premium"] });
      const target = { url: gateway.url, headers };
      const answer = await door.chat(target, chat("auto"));
      expect(answer.headers["x-optamil-tier"]).toBe("premium");
      const refusal = await refusalOf(door.chat(target, chat("o3")));
      expect(refusal).toMatchObject({ type: "permission_error", param: "model" });
      expect(refusal.message).toContain("'ultra'");
    },
  );
});

describe("a key with limits of its own", () => {
  it.each(doors)("is refused above them through $name, and other keys are not", async (door) => {
    const { headers } = await createKey({ limits: { requests_per_minute: 1 } });
    const target = { url: gateway.url, headers };
    const first = await door.chat(target, chat("gpt-5"));
    expect(first.headers).toMatchObject({
      "x-ratelimit-limit": "1",
      "x-ratelimit-remaining": "0",
      "x-ratelimit-window": "requests-minute",
    });
    const { type, message, headers: shown } = await refusalOf(door.chat(target, chat("gpt-5")));
    expect({ type, message }).toEqual({
      type: "rate_limit_exceeded",
      message: "Rate limit exceeded: 1 requests per minute for this key.",
    });
    expect(Number(shown["retry-after"])).toBeGreaterThan(0);
    expect(shown).toMatchObject({ "x-ratelimit-limit": "1", "x-ratelimit-remaining": "0" });
    expect((await ask(admin, "gpt-5")).status).toBe(200);
  });

  it("is refused above those of one model and of one tier, which it names", async () => {
    const { headers } = await createKey({
      limits: {
        models: { "gpt-5": { requests_per_minute: 1 } },
        tiers: { free: { requests_per_day: 1 } },
      },
    });
    const statuses = [];
    for (const model of ["gpt-5", "gpt-5", "gpt-4.1", "gemini-2.5-flash", "gemini-2.5-flash"]) {
      statuses.push((await ask(headers, model)).status);
    }
    expect(statuses).toEqual([200, 429, 200, 200, 429]);
    expect(JSON.parse((await ask(headers, "gpt-5")).text).error.message).toBe(
      "Rate limit exceeded: 1 requests per minute for the model gpt-5 with this key.",
    );
    const ofTier = await ask(headers, "gemini-2.5-flash");
    expect(ofTier.headers["x-ratelimit-window"]).toBe("requests-day");
  });

  it.each([
    ["a limit of 0", { requests_per_minute: 0 }, "limits.requests_per_minute"],
    ["a tier that is none", { tiers: { gold: {} } }, "limits.tiers"],
    ["more than 10,000 at once", { concurrent_requests: 10_001 }, "limits.concurrent_requests"],
  ])("cannot be made with %s", async (_name, limits, param) => {
    const body = { name: "test", limits };
    const reply = await sendHttp1(gateway.url, { path: "/v1/keys", body, headers: admin });
    expect(reply.status).toBe(400);
    expect(JSON.parse(reply.text).error.param).toContain(param);
  });
});

describe("a rotation", () => {
  it("by REST gives a second key that works beside the first", async () => {
    const { id, headers } = await createKey();
    const { key, info, previous } = await post(`/v1/keys/${id}/rotate`, { overlap_seconds: 600 });
    expect(previous).toMatchObject({ id });
    expect(info.revoked_at).toBeNull();
    expect((await ask(headers, "gpt-5")).status).toBe(200);
    expect((await ask(bearer(key), "gpt-5")).status).toBe(200);
  });

  it("on the command line ends the old key when it is told to", async () => {
    const { id, headers } = await createKey();
    const words = ["keys", "rotate", id, "--overlap-hours", "0"];
    const { code, stdout } = await runOptamil(words, gateway.dataDirectory);
    expect(code).toBe(0);
    expect((await ask(headers, "gpt-5")).status).toBe(401);
    expect((await ask(bearer(stdout.trim()), "gpt-5")).status).toBe(200);
  });
});

async function rotateSigning(...steps: string[]): Promise<string> {
  const words = ["keys", "rotate-signing", ...steps];
  const { code, stdout, stderr } = await runOptamil(words, gateway.dataDirectory);
  expect(code, stderr).toBe(0);
  return stdout;
}

describe("a rotation of the signing key", () => {
  it("under load refuses nobody: every key from before and after it goes on", async () => {
    const jwks = async () =>
      JSON.parse((await sendHttp1(gateway.url, { path: "/.well-known/jwks.json" })).text).keys;
    const old = await createKey();
    const keys = [old.headers];
    const statuses: number[] = [];
    let rotated = false;
    const load = Array.from({ length: 4 }, async (_, worker) => {
      while (!rotated) {
        const isDue = worker === 0 && statuses.length % 20 === 0;
        if (isDue && keys.length < 200) keys.push((await createKey()).headers);
        const headers = keys[statuses.length % keys.length] ?? old.headers;
        statuses.push((await ask(headers, "gpt-5")).status);
      }
    });
    const before: number = (await jwks()).length;
    if (inFleet) {
      await rotateSigning("--stage");
      // Each replica reads the file once a second; nginx asks them in turn.
      const counts = async () => {
        const sets = await Promise.all(Array.from({ length: 12 }, jwks));
        return new Set(sets.map((set) => set.length));
      };
      await expectSoon(counts).toEqual(new Set([before + 1]));
      await rotateSigning("--promote");
    } else {
      const kid = (await rotateSigning()).split(" ", 1)[0];
      while (!(await jwks()).some((jwk: { kid: string }) => jwk.kid === kid));
    }
    const young = await createKey();
    for (const { headers } of [old, young]) expect((await ask(headers, "gpt-5")).status).toBe(200);
    rotated = true;
    await Promise.all(load);
    expect((await jwks()).length).toBe(before + 1);
    expect(statuses.length).toBeGreaterThan(10);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });
});

describe("an account's change of plan", () => {
  it("counts from the next request on, with the same key, up and down", async () => {
    const { account, key } = await post("/v1/admin/accounts", { name: "Ada" });
    const seen = async () => {
      const { status, headers } = await ask(bearer(key), "gpt-5");
      return [status, headers["x-ratelimit-limit"]];
    };
    for (const [plan, perMinute] of [
      ["free", "10"],
      ["pro", "300"],
      ["starter", "60"],
    ]) {
      await post(`/v1/admin/accounts/${account.id}/plan`, { plan });
      await expectSoon(seen).toEqual([200, perMinute]);
    }
  });
});
