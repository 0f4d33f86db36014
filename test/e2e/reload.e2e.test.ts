/** The configuration of a running gateway is exchanged: its file, the files of keys, and what may go wrong. */
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  chunk,
  completion,
  event,
  type OpenAiUpstream,
  openUpstream,
  playJson,
} from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { runOptamil, startGateway, temporaryFolder } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const folder = await temporaryFolder();
const configFile = join(folder, "optamil.json");
const keyFile = join(folder, "provider-key");
const [first, second] = [await openUpstream(), await openUpstream()];

const providerAt = ({ baseUrl }: OpenAiUpstream) => ({
  ...{ name: "lab", kind: "openai", baseUrl, models: ["gpt-4.1"] },
});
const withProvider = (upstream: OpenAiUpstream, more: object = {}) =>
  JSON.stringify({ providers: [{ ...providerAt(upstream), ...more }] });

await writeFile(configFile, withProvider(first));
const gateway = await startGateway({ env: { OPTAMIL_CONFIG: configFile, OPTAMIL_LOG: "info" } });
const headers = bearer(gateway.key);

interface ConfigInForce {
  version: string;
  loadedAt: string;
}

async function readConfigInForce(): Promise<ConfigInForce> {
  const { status, text } = await sendHttp1(gateway.url, { path: "/readyz" });
  expect(status).toBe(200);
  return JSON.parse(text).config;
}

const chat = (more: object = {}) =>
  sendHttp1(gateway.url, {
    path: "/v1/chat/completions",
    headers,
    body: { model: "gpt-4.1", messages: [{ role: "user", content: "Hi" }], ...more },
  });

/** What is logged of the configuration. */
const log = () =>
  gateway.process
    .stderr()
    .split("\n")
    .filter((line) => line.includes('"msg":"configuration'))
    .join("\n");
const poll = (read: () => unknown) => expect.poll(read, { timeout: 10_000 });

/** Waits until something else than this is in force. */
async function untilOtherThan(before: ConfigInForce): Promise<ConfigInForce> {
  await poll(async () => (await readConfigInForce()).loadedAt).not.toBe(before.loadedAt);
  return readConfigInForce();
}

/** Puts a configuration in place as editors do, and waits until it is in force. */
async function take(text: string): Promise<ConfigInForce> {
  const before = await readConfigInForce();
  await writeFile(`${configFile}.next`, text);
  await rename(`${configFile}.next`, configFile);
  return untilOtherThan(before);
}

let marker = 0;

/** Each test starts with the first upstream, whatever the one before it left. */
beforeEach(async () => {
  first.play = playJson(200, completion("first"));
  second.play = playJson(200, completion("second"));
  marker += 1;
  await take(`${withProvider(first)}${" ".repeat(marker)}`);
});

describe("a changed configuration file", () => {
  it("is in force for the next request, under another version", async () => {
    const before = await readConfigInForce();
    expect(before.version).toMatch(/^[0-9a-f]{12}$/);
    expect((await chat()).text).toContain("first");
    const after = await take(withProvider(second));
    expect(after.version).not.toBe(before.version);
    expect((await chat()).text).toContain("second");
    await poll(log).toContain(`"config_version":"${after.version}"`);
    const checked = await runOptamil(["config", "check", configFile], folder);
    expect(checked).toMatchObject({ code: 0, stdout: `ok, version ${after.version}\n` });
  });

  it("may change what becomes of parameters that a model cannot take", async () => {
    const withPolicy = (parameterPolicy: string) =>
      JSON.stringify({ ...JSON.parse(withProvider(first)), parameterPolicy });
    const ask = () => chat({ reasoning_effort: "low" });
    expect((await ask()).headers["x-optamil-dropped-params"]).toBe("reasoning_effort");
    await take(withPolicy("reject"));
    const refused = await ask();
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.text).error).toMatchObject({ param: "reasoning_effort" });
    await take(withPolicy("forward"));
    expect((await ask()).headers["x-optamil-dropped-params"]).toBeUndefined();
    expect(first.requests.at(-1)?.text).toContain('"reasoning_effort":"low"');
  });

  it("may change how good answers of auto must be, and which weights decide", async () => {
    const withRouter = (router: object) =>
      JSON.stringify({ ...JSON.parse(withProvider(first)), router });
    const quality = async () =>
      /quality=[^;]+/.exec(String((await chat({ model: "auto" })).headers["x-optamil-route"]))?.[0];
    expect(await quality()).toBe("quality=0.80");
    await take(withRouter({ quality: 0.35 }));
    expect(await quality()).toBe("quality=0.35");
    const { version } = await readConfigInForce();
    const shadowWeights = configFile;
    await writeFile(configFile, withRouter({ quality: 0.5, shadowWeights }));
    await poll(log).toContain(`router.shadowWeights: ${configFile} has no weights`);
    expect((await readConfigInForce()).version).toBe(version);
    expect(await quality()).toBe("quality=0.35");
    expect(log()).not.toContain('"setting":"router"');
  });

  it("may change how long a provider is waited for", async () => {
    second.play = () => {};
    const slow = { timeouts: { totalMs: 60 } };
    await take(withProvider(second, slow));
    expect((await chat()).status).toBe(503);
    second.play = playJson(200, completion("second"));
    await take(withProvider(second));
    expect((await chat()).text).toContain("second");
  });

  it("may add models and plans", async () => {
    const provider = { ...providerAt(second), models: ["own-model"] };
    const models = [{ name: "own-model", tier: "budget" }];
    const plans = [
      { name: "tiny", requestsPerMinute: 1, requestsPerDay: 2, tokensPerMinute: 30_000 },
    ];
    await take(JSON.stringify({ providers: [provider], models, plans }));
    expect((await chat({ model: "own-model" })).text).toContain("second");
    const paths = ["/v1/models/own-model", "/v1/admin/plans", "/v1/models/gpt-4.1"];
    const read = paths.map((path) => sendHttp1(gateway.url, { path, headers }));
    const [model, listed, old] = (await Promise.all(read)).map(({ text }) => text);
    expect(model).toContain('"status":"live"');
    expect(listed).toContain('"tiny"');
    expect(old).toContain('"status":"not_configured"');
  });

  it("that has mistakes changes nothing, and each of them is logged", async () => {
    const before = await readConfigInForce();
    const wrong = { providers: [{ name: "lab" }], limits: { bodyBytesMax: -1 }, unheard: 1 };
    for (const [text, problem] of [
      [JSON.stringify(wrong), `${configFile}: Invalid 'unheard': unknown field.`],
      [JSON.stringify({ providers: [{ name: "lab" }] }), "providers[0].baseUrl: is missing"],
      ["providers: [", `${configFile}: not valid YAML or JSON`],
      ["", `${configFile}: is empty`],
    ] as const) {
      await writeFile(configFile, text);
      await poll(log).toContain(`"problem":"${problem}`);
    }
    expect(log()).toContain(`"problem":"${configFile}: Invalid 'limits.bodyBytesMax'`);
    expect(await readConfigInForce()).toEqual(before);
    expect((await chat()).text).toContain("first");
  });

  it("says which of its settings need a restart", async () => {
    const providers = [providerAt(second)];
    await take(JSON.stringify({ providers, corsOrigins: ["*"], data: "/elsewhere" }));
    await poll(log).toMatch(/"setting":"corsOrigins".*needs a restart/);
    // The environment names the data folder, so the file's changes nothing.
    expect(log()).not.toContain('"setting":"data"');
    expect((await chat()).text).toContain("second");
  });
});

it("SIGHUP reads the file at once, changed or not", async () => {
  const before = await readConfigInForce();
  process.kill(gateway.process.pid, "SIGHUP");
  const after = await untilOtherThan(before);
  expect(after.version).toBe(before.version);
  expect((await chat()).text).toContain("first");
});

describe("the key of a provider in a file", () => {
  const keysSeen = () => first.requests.map(({ headers: { authorization } }) => authorization);

  it("is read again when it changes", async () => {
    await writeFile(keyFile, "key-one\n");
    await take(withProvider(first, { apiKeyFile: keyFile }));
    await chat();
    expect(keysSeen().at(-1)).toBe("Bearer key-one");
    const before = await readConfigInForce();
    await writeFile(keyFile, "key-two\n");
    expect((await untilOtherThan(before)).version).toBe(before.version);
    await chat();
    expect(keysSeen().at(-1)).toBe("Bearer key-two");
  });

  it("stays the old one while the file is empty or holds no key, and the log says so without it", async () => {
    await writeFile(keyFile, "key-three");
    await take(withProvider(first, { apiKeyFile: keyFile }));
    const before = await readConfigInForce();
    await writeFile(keyFile, "");
    await poll(log).toContain(`providers[0].apiKeyFile: the file ${keyFile} is empty`);
    await writeFile(keyFile, "key-four with words");
    await poll(log).toContain(`the key in ${keyFile} has characters`);
    expect(await readConfigInForce()).toEqual(before);
    await chat();
    expect(keysSeen().at(-1)).toBe("Bearer key-three");
    await writeFile(keyFile, "key-five");
    await untilOtherThan(before);
    await chat();
    expect(keysSeen().at(-1)).toBe("Bearer key-five");
    expect(log()).not.toMatch(/key-(one|two|three|four|five)/);
  });
});

describe("requests that run while the configuration changes", () => {
  it("end as they began, all of 200, and then their provider is let go", async () => {
    const gate = Promise.withResolvers<void>();
    first.play = async (response, request) => {
      if (JSON.parse(request.text).stream !== true) {
        await gate.promise;
        return playJson(200, completion("first"))(response, request);
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event(chunk({ role: "assistant", content: "fi" })));
      await gate.promise;
      response.write(event(chunk({ content: "rst" })));
      response.end(`${event(chunk({}, "stop"))}data: [DONE]\n\n`);
    };
    const seenBefore = first.requests.length;
    const running = Array.from({ length: 200 }, (_, at) => chat({ stream: at % 2 === 0 }));
    await poll(() => first.requests.length - seenBefore).toBe(200);
    await take(withProvider(second));
    expect((await chat()).text).toContain("second");
    gate.resolve();
    const replies = await Promise.all(running);
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    const whole = replies.filter(({ text }) => text.includes('"content":"first"'));
    const streams = replies.filter(
      ({ text }) => text.includes('"content":"rst"') && text.endsWith("data: [DONE]\n\n"),
    );
    expect([whole.length, streams.length]).toEqual([100, 100]);
    await Promise.all(first.requests.slice(seenBefore).map(({ socketClosed }) => socketClosed));
    expect(first.requests.length - seenBefore).toBe(200);
  });
});
