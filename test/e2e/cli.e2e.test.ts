import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import { request as requestHttp1 } from "node:http";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { event, openUpstream, chunk as upstreamChunk } from "../fakes/openai-upstream.ts";
import { dial } from "../gateway/listen-clients.ts";
import { run } from "../setup/process.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import { bearer } from "./doors.ts";
import {
  type Gateway,
  type GatewayOptions,
  runOptamil,
  startGateway,
  temporaryFolder,
  writeConfig,
} from "./gateway.ts";
import { readText, sendHttp1 } from "./rest-client.ts";

const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };

/** A gateway that ends with its test. */
async function serve(options?: GatewayOptions): Promise<Gateway> {
  const gateway = await startGateway(options);
  onTestFinished(async () => {
    await gateway.stop();
  });
  return gateway;
}

/** Runs a command that must succeed and gives what it prints. */
async function printed(dataDirectory: string, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await runOptamil(words, dataDirectory);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

/** The status of a chat with a key. */
async function chatStatus(gateway: Gateway, key: string): Promise<number> {
  const headers = bearer(key);
  const path = "/v1/chat/completions";
  return (await sendHttp1(gateway.url, { path, headers, body: chat })).status;
}

interface KeyInfo {
  id: string;
  name: string;
  last_four: string;
  scopes: string[];
  revoked_at: number | null;
}

async function createKey(folder: string, ...words: string[]) {
  const made = await printed(folder, "keys", "create", ...words, "--json");
  const { key, info }: { key: string; info: KeyInfo } = JSON.parse(made);
  return { key, info };
}

const gateway = await startGateway();

describe("optamil keys", () => {
  it("creates, lists and revokes keys of the running gateway, with effect at once", async () => {
    const folder = gateway.dataDirectory;
    const { key, info } = await createKey(folder, "--name", "ci", "--scope", "chat");
    expect(key).toMatch(/^sk-optamil-/);
    expect(info).toMatchObject({
      object: "key",
      name: "ci",
      last_four: key.slice(-4),
      scopes: ["chat"],
      revoked_at: null,
    });
    expect(await chatStatus(gateway, key)).toBe(200);

    const table = (await printed(folder, "keys", "list")).split("\n");
    expect(table[1]).toMatch(new RegExp(`^${info.id} +\\.{3}${info.last_four} .+ chat +ci *$`));
    expect(table[2]).toMatch(/ first key *$/);

    expect(await printed(folder, "keys", "revoke", info.id)).toBe(`revoked ${info.id}\n`);
    expect(await chatStatus(gateway, key)).toBe(401);
    expect(await chatStatus(gateway, gateway.key)).toBe(200);
  });

  it("gives a key its quality, and an account its routing, whether or not a gateway runs", async () => {
    const alone = await serve();
    const folder = alone.dataDirectory;
    const routing = async (...words: string[]) => {
      const [account] = JSON.parse(await printed(folder, "accounts", "list", "--json")).data;
      const set = await printed(folder, "accounts", "set-routing", account.id, ...words, "--json");
      return JSON.parse(set);
    };
    const create = ["keys", "create", "--name", "cheap", "--quality", "0.25", "--json"];
    expect(JSON.parse(await printed(folder, ...create)).info.quality).toBe(0.25);
    expect(await routing("--quality", "0", "--baseline", "gpt-5")).toMatchObject({
      ...{ quality: 0, baseline_model: "gpt-5" },
    });
    await alone.stop();
    expect(JSON.parse(await printed(folder, ...create)).info.quality).toBe(0.25);
    expect(await routing("--quality", "1")).not.toHaveProperty("baseline_model");
    const changes = JSON.parse(await printed(folder, "changes", "--json")).data;
    expect(changes[0]).toMatchObject({ action: "account.routing_changed", actor: "cli" });
    expect(changes[0].fields).toEqual([
      { field: "quality", before: "0", after: "1" },
      { field: "baseline_model", before: "gpt-5", after: null },
    ]);
  });

  it("does the same in the data of a gateway that is stopped", async () => {
    const before = await serve();
    const folder = before.dataDirectory;
    await before.stop();
    const kept = await createKey(folder, "--name", "kept");
    const gone = await createKey(folder, "--name", "gone");
    const words = ["keys", "revoke", gone.info.id, "--reason", "leaked", "--json"];
    const revoked: KeyInfo = JSON.parse(await printed(folder, ...words));
    expect(revoked).toMatchObject({ name: "gone", revoked_at: expect.any(Number) });
    const listed: KeyInfo[] = JSON.parse(await printed(folder, "keys", "list", "--json"));
    expect(listed.map(({ name }) => name)).toEqual(["gone", "kept", "first key"]);
    expect(listed[0]).toEqual(revoked);
    const after = await serve({ dataDirectory: folder });
    expect(await chatStatus(after, kept.key)).toBe(200);
    expect(await chatStatus(after, gone.key)).toBe(401);
    expect(await chatStatus(after, before.key)).toBe(200);
  });

  it("prints a new key alone, so that a script can take it", async () => {
    const folder = await temporaryFolder();
    expect(await printed(folder, "keys", "create", "--name", "script")).toMatch(
      /^sk-optamil-[\w.-]+\n$/,
    );
  });

  it("says in one line that there is no such key", async () => {
    const id = "01900000-0000-7000-8000-000000000000";
    const refused = await runOptamil(["keys", "revoke", id], gateway.dataDirectory);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^optamil: .*no key.*\n$/);
  });
});

describe("optamil openapi", () => {
  it("prints the document that the gateway serves", async () => {
    const document = JSON.parse(await printed(gateway.dataDirectory, "openapi"));
    expect(document.openapi).toMatch(/^3\.1\./);
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(["/v1/chat/completions", "/v1/models", "/v1/models/{model}"]),
    );
    const served = await sendHttp1(gateway.url, { path: "/openapi.json" });
    expect(JSON.parse(served.text)).toEqual(document);
  });

  it("ends without a word of its own when its reader leaves", async () => {
    const { command, args } = runtimeCommand("src/main.ts", ["openapi"]);
    // As in `optamil openapi | head -c 1`, with the status of both.
    const line = '{ "$@"; echo "ended with $?" >&2; } | head -c 1';
    const done = await run("sh", ["-c", line, "sh", command, ...args]);
    expect(done).toMatchObject({ code: 0, stdout: "{", stderr: "ended with 0\n" });
  });
});

describe("optamil start", () => {
  it.each<[string, object, string[]]>([
    [
      "of wrong types and unknown fields",
      {
        port: "eighty",
        corsOrigins: "*",
        limits: { bodyBytes: 5 },
      },
      ["'port'", "'corsOrigins'", "'limits.bodyBytes'"],
    ],
    [
      "out of range",
      {
        port: 70_000,
        providers: [{ name: "lab", kind: "gopher" }],
        limits: { bodyBytesMax: 1 },
      },
      ["'port'", "'providers[0].kind'", "'limits.bodyBytesMax'"],
    ],
    [
      "about what there is",
      {
        providers: [
          { name: "lab", kind: "openai", models: ["gpt-4.1"] },
          { name: "near", baseUrl: "http://127.0.0.1:9/v1", models: ["no-such-model"] },
          { name: "far", baseUrl: "http://127.0.0.1:9/v1", apiKeyEnv: "NO_SUCH_VARIABLE" },
        ],
      },
      ["providers[0].baseUrl", "providers[1].models[0]", "providers[2].apiKeyEnv"],
    ],
    [
      "of two kinds",
      {
        port: "eighty",
        logLevel: "loud",
        limits: { bodyBytesMax: 1 },
      },
      ["'port'", "'logLevel'", "'limits.bodyBytesMax'"],
    ],
  ])(
    "refuses a configuration with three mistakes %s, a line with its path for each",
    async (_name, config, paths) => {
      const file = await writeConfig(config);
      const refused = await runOptamil(["start"], await temporaryFolder(), {
        OPTAMIL_CONFIG: file,
      });
      expect(refused).toMatchObject({ code: 1, stdout: "" });
      const lines = refused.stderr.trimEnd().split("\n");
      expect(lines).toHaveLength(3);
      for (const path of paths) {
        expect(lines).toContainEqual(expect.stringContaining(path));
      }
    },
  );

  it("keeps the first key at the second start, and shows it no more", async () => {
    const first = await serve();
    const [, shown] = await first.process.waitForLine(/First key +(\S+)$/);
    expect(shown).toBe(first.key);
    expect(await first.stop()).toEqual({ code: 0, signal: null });
    const second = await serve({ dataDirectory: first.dataDirectory });
    expect(second.key).toBe(first.key);
    // The last line of the greeting.
    await second.process.waitForLine(/"Say hello\."/);
    expect(second.process.stdout()).not.toContain("sk-optamil-");
    expect(second.process.stdout()).toContain(join(first.dataDirectory, "first-key"));
    expect(await chatStatus(second, first.key)).toBe(200);
  });

  it("keeps its secrets from other users of the machine", async () => {
    const file = join(gateway.dataDirectory, "first-key");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, "utf8")).toBe(`${gateway.key}\n`);
  });

  it("refuses a second gateway on the same data, in one line", async () => {
    const refused = await runOptamil(["start"], gateway.dataDirectory);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^.+\n$/);
    expect(refused.stderr).toContain(gateway.url);
  });
});

describe("SIGTERM", () => {
  it("lets a running stream come to its end, while no new connection is taken", async () => {
    const { promise: called, resolve } = Promise.withResolvers<(text: string) => void>();
    const upstream = await openUpstream((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event(upstreamChunk({ role: "assistant", content: "" })));
      resolve((text) => response.end(text));
    });
    onTestFinished(upstream.close);
    const gateway = await serve({
      config: {
        providers: [
          { name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1"] },
        ],
      },
    });
    const sent = requestHttp1(`${gateway.baseUrl}/chat/completions`, {
      method: "POST",
      headers: { ...bearer(gateway.key), "content-type": "application/json" },
    });
    sent.end(JSON.stringify({ ...chat, model: "gpt-4.1", stream: true }));
    const [response] = await once(sent, "response");
    const finish = await called;
    const stopped = gateway.stop();
    await refusesConnections(gateway.port);
    finish(
      [upstreamChunk({ content: "Bye" }), upstreamChunk({}, "stop")].map(event).join("") +
        "data: [DONE]\n\n",
    );
    expect(await readText(response)).toMatch(/"content":"Bye"[\s\S]+data: \[DONE\]\n\n$/);
    expect(await stopped).toEqual({ code: 0, signal: null });
  });
});

/** Resolves once nobody listens on a port any more. */
async function refusesConnections(port: number): Promise<void> {
  for (;;) {
    try {
      (await dial(port)).destroy();
    } catch {
      return;
    }
  }
}

it("optamil config check tells every problem of a file in a line", async () => {
  const bad = await writeConfig({ port: 99_999, providers: [{ name: "no preset" }] });
  const { code, stdout, stderr } = await runOptamil(
    ["config", "check", bad],
    await temporaryFolder(),
  );
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr.trimEnd().split("\n")).toEqual([
    expect.stringContaining(`${bad}: Invalid 'port'`),
    expect.stringContaining(`${bad}: Invalid 'providers[0].name'`),
  ]);
});
