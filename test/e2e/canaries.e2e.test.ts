import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { completion, openUpstream } from "../fakes/openai-upstream.ts";
import { openOtlpCollector } from "../fakes/otlp-collector.ts";
import { bearer, doors, type HeaderMap } from "./doors.ts";
import { runOptamil, startGateway, temporaryFolder } from "./gateway.ts";
import { hitsIn, hitsOnDisk, logLines, partsOfKey } from "./leaks.ts";
import { refusalOf } from "./refusals.ts";
import { type RestRequest, sendHttp1 } from "./rest-client.ts";

const password = "canary-password-7f3a";
const providerKey = "sk-canary-provider-2b9c";
const fileKey = "sk-canary-in-a-file-91e7";
const prompt = "canary-prompt-c41d";
const answer = "canary-answer-55e0";
const upstream = await openUpstream((response, { text }) => {
  const status = text.includes("fail") ? 500 : 200;
  response.writeHead(status, { "content-type": "application/json" });
  // A provider that repeats what it was sent, key and all, must not put it into our answers and logs.
  const error = { error: { message: `bad keys ${providerKey}, ${fileKey} for ${prompt}` } };
  response.end(JSON.stringify(status === 200 ? completion(answer) : error));
});
afterAll(upstream.close);
const collector = await openOtlpCollector();
afterAll(collector.close);
const keyFile = join(await temporaryFolder(), "provider-key");
await writeFile(keyFile, fileKey);
const gateway = await startGateway({
  config: {
    telemetry: { endpoint: collector.endpoint, metricsEveryMs: 200, spansEveryMs: 50 },
    providers: [
      {
        name: "lab",
        kind: "openai",
        baseUrl: upstream.baseUrl,
        apiKeyEnv: "CANARY_PROVIDER_KEY",
        models: ["gpt-4.1"],
      },
      {
        name: "mounted",
        kind: "openai",
        baseUrl: upstream.baseUrl,
        apiKeyFile: keyFile,
        models: ["gpt-4.1"],
      },
    ],
  },
  env: { CANARY_PROVIDER_KEY: providerKey, OPTAMIL_LOG: "debug" },
});
const admin = bearer(gateway.key);
/** By what it is: every text that must stay where it belongs. */
const canaries = new Map<string, string>([
  ["the password", password],
  ["the provider's key", providerKey],
  ["the provider's key in a file", fileKey],
  ["the prompt", prompt],
  ["the answer", answer],
]);
/** Everything that was answered with an error. */
const refusals: string[] = [];

async function send(request: RestRequest) {
  const reply = await sendHttp1(gateway.url, request);
  if (reply.status >= 400) refusals.push(`${JSON.stringify(reply.headers)} ${reply.text}`);
  return reply;
}

const post = (path: string, body: unknown, headers: HeaderMap = {}) =>
  send({ path, body, headers });

function addKey(name: string, key: string): void {
  for (const [part, text] of partsOfKey(name, key)) canaries.set(part, text);
}

const chat = (content: string) => ({ model: "gpt-4.1", messages: [{ role: "user", content }] });

/** Uses every secret well and badly, through every door. */
async function useSecrets(): Promise<void> {
  addKey("the first key", gateway.key);
  const { key, info } = JSON.parse((await post("/v1/keys", { name: "canary" }, admin)).text);
  addKey("a key", key);
  const rotated = JSON.parse((await post(`/v1/keys/${info.id}/rotate`, {}, admin)).text);
  addKey("a rotated key", rotated.key);
  const email = "canary@example.org";
  const signedUp = JSON.parse((await post("/v1/accounts", { email, password })).text);
  addKey("a key of sign-up", signedUp.key);
  const signedIn = await post("/v1/sessions", { email, password });
  const cookie = signedIn.headers["set-cookie"]?.split(";", 1)[0] ?? "";
  addKey("a session", cookie.split("=")[1] ?? "");
  const invited = await post("/v1/admin/invitations", { email: "x@example.org" }, admin);
  addKey("an invitation", JSON.parse(invited.text).invitation);
  for (const headers of [bearer(key), bearer(rotated.key), { cookie }, { "x-api-key": key }]) {
    expect((await post("/v1/chat/completions", chat(prompt), headers)).status).toBe(200);
    await post("/v1/chat/completions", chat(`fail ${prompt}`), headers);
    await post("/v1/chat/completions", { ...chat(prompt), temperature: 9 }, headers);
    await post("/v1/chat/completions", `{"messages": "${prompt}"`, headers);
    await send({ path: `/v1/nothing?key=${key}`, headers });
    await send({ path: "/v1/admin/plans", headers });
  }
  await post("/v1/sessions", { email: "nobody@example.org", password });
  await post("/v1/accounts", { email, password });
  await post("/v1/accounts", { email: "no address", password });
  await post("/v1/keys", { name: "x", scopes: [key] }, admin);
  await useDoorsBadly(key);
  // A key that cannot be one: the file is refused, and what it holds is not told.
  await writeFile(keyFile, `${fileKey} and more`);
  await send({ path: `/v1/keys/${info.id}?reason=leaked`, method: "DELETE", headers: admin });
  await post("/v1/chat/completions", chat(prompt), bearer(key));
}

async function useDoorsBadly(key: string): Promise<void> {
  for (const door of doors) {
    for (const headers of [bearer(`${key}A`), bearer(key.slice(0, -1)), bearer(key)]) {
      const call = door.chat({ url: gateway.url, headers }, chat(`fail ${prompt}`));
      const { headers: shown, ...refusal } = await refusalOf(call);
      refusals.push(JSON.stringify([refusal, shown]));
    }
  }
}

beforeAll(useSecrets);

describe("after every secret was used, well and badly", () => {
  it("no refusal holds one", () => {
    expect(refusals.length).toBeGreaterThan(40);
    expect(hitsIn(refusals.join("\n"), canaries)).toEqual([]);
  });

  it("the log, at its most talkative, holds none", async () => {
    const read = () => gateway.process.stdout() + gateway.process.stderr();
    // Lines are written a little later than answers, in their order.
    await send({ path: "/v1/the-last-line" });
    await expect.poll(read).toContain('"path":"/v1/the-last-line"');
    await expect.poll(read, { timeout: 10_000 }).toContain("no header can carry");
    const log = read();
    expect(log).toContain('"path":"/v1/chat/completions"');
    const lines = logLines(log);
    expect(lines.length).toBeGreaterThan(40);
    expect(hitsIn(lines.join("\n"), canaries)).toEqual([]);
  });

  it("the metrics hold none, and neither do the traces that a collector gets", async () => {
    // In a fleet those of the first replica: the proxy shows none.
    const { text } = await sendHttp1(gateway.ownUrl, { path: "/metrics", headers: admin });
    expect(text).toContain("optamil_chat_requests_total");
    expect(hitsIn(text, canaries)).toEqual([]);
    await send({ path: "/v1/the-last-span" });
    const exported = () => collector.bodies.join("\n");
    await expect.poll(exported).toContain("/v1/the-last-span");
    expect(collector.spans.length).toBeGreaterThan(40);
    expect(hitsIn(exported(), canaries)).toEqual([]);
    expect(collector.problems).toEqual([]);
  });

  it("the providers were sent their keys", () => {
    const sent = new Set(upstream.requests.map(({ headers }) => headers.authorization));
    expect(sent).toEqual(new Set([`Bearer ${providerKey}`, `Bearer ${fileKey}`]));
  });

  it("the usage events in the warehouse hold none", async () => {
    const sql = "SELECT * FROM optamil.usage_events FINAL";
    const { stdout } = await runOptamil(["sql", sql, "--json"], gateway.dataDirectory);
    expect(stdout).toContain("gpt-4.1");
    expect(hitsIn(stdout, canaries)).toEqual([]);
  });

  it("the list of changes and the list of keys hold none", async () => {
    const changes = await send({ path: "/v1/admin/changes?limit=1000", headers: admin });
    const keys = await send({ path: "/v1/keys", headers: admin });
    expect(changes.text).toContain("key.created");
    expect(hitsIn(changes.text + keys.text, canaries)).toEqual([]);
  });

  it("nothing on disk holds one but the first key's own file", async () => {
    const hits = await hitsOnDisk(gateway.dataDirectory, canaries);
    const own = ["the first key (claims)", "the first key (signature)"];
    expect(hits).toEqual(own.map((name) => `first-key: ${name}`));
  });
});
