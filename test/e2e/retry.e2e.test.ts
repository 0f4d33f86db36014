import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { completion, openUpstream } from "../fakes/openai-upstream.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goProgram } from "../setup/go-tool.ts";
import { type RunOptions, run } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { projectRoot } from "../setup/runtime.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

/** Ends the request that is held; the upstream answers all others at once. */
let release = () => {};
const upstream = await openUpstream(async (response, { url, text }) => {
  if (url === "/v1/release") release();
  else if (text.includes("Hold on.")) {
    await new Promise<void>((resolve) => {
      release = resolve;
    });
  }
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify(completion("hello")));
});
afterAll(upstream.close);
const gateway = await startGateway({
  config: {
    providers: [{ name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1"] }],
  },
});

/** A key of which one request runs, and no second may. */
async function createBusyKey() {
  const made = await sendHttp1(gateway.url, {
    path: "/v1/keys",
    headers: bearer(gateway.key),
    body: { name: "busy", limits: { concurrent_requests: 1 } },
  });
  const { key } = JSON.parse(made.text);
  const seen = upstream.requests.length;
  const held = sendHttp1(gateway.url, {
    path: "/v1/chat/completions",
    headers: bearer(key),
    body: { model: "gpt-4.1", messages: [{ role: "user", content: "Hold on." }] },
  });
  await expect.poll(() => upstream.requests.length).toBe(seen + 1);
  return { key, held };
}

/** What a client prints that asks with a busy key: it comes in when its 429 has freed the key. */
async function recover(command: string, args: readonly string[], options: RunOptions = {}) {
  const { key, held } = await createBusyKey();
  const result = await run(command, args, {
    cwd: projectRoot,
    ...options,
    env: {
      NO_PROXY: "127.0.0.1",
      BASE_URL: gateway.baseUrl,
      API_KEY: key,
      RELEASE_URL: `${upstream.baseUrl}/release`,
      ...options.env,
    },
  });
  // One that failed before its 429 has not done it.
  release();
  expect((await held).status).toBe(200);
  return result;
}

const script = (name: string) => readFile(new URL(`retry/${name}`, import.meta.url), "utf8");
const recovered = { code: 0, stdout: "429\n200\nhello\n" };

describe("a 429", () => {
  it("says when to come again, to the second", async () => {
    const { key, held } = await createBusyKey();
    const refused = await sendHttp1(gateway.url, {
      path: "/v1/chat/completions",
      headers: bearer(key),
      body: { model: "gpt-4.1", messages: [{ role: "user", content: "Say hello." }] },
    });
    expect(refused).toMatchObject({
      status: 429,
      headers: { "retry-after": "1", "x-should-retry": "true" },
    });
    release();
    await held;
  });
});

await describeWith(
  "the official Python SDK",
  () => pythonPackages("openai"),
  (python) => {
    it("recovers from a 429 by itself", async () => {
      const input = await script("retry.py");
      expect(await recover(python.command, ["-"], { input, env: { ...python.env } })).toMatchObject(
        recovered,
      );
    });
  },
);

describe("the official Node SDK", () => {
  it("recovers from a 429 by itself", async () => {
    // Read from stdin in the project's folder, where `openai` is found.
    const args = ["--input-type=module", "-"];
    const input = await script("retry.mjs");
    expect(await recover(process.execPath, args, { input })).toMatchObject(recovered);
  });
});

await describeWith(
  "the official Go SDK",
  () => goProgram(join(projectRoot, "test/e2e/retry")),
  (program) => {
    it("recovers from a 429 by itself", async () => {
      expect(await recover(program, [])).toMatchObject(recovered);
    });
  },
);
