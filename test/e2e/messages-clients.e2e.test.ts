import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { playAnthropic } from "../fakes/anthropic-upstream.ts";
import { playClients } from "../fakes/client-upstream.ts";
import { playGemini } from "../fakes/gemini-upstream.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { describeWith } from "../setup/describe-with.ts";
import { npmPackages } from "../setup/npm-packages.ts";
import { type RunOptions, run } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { startGateway } from "./gateway.ts";

const plays = { openai: playClients, anthropic: playAnthropic, gemini: playGemini };
const labs = await Promise.all(
  Object.entries(plays).map(async ([kind, play]) => ({ kind, upstream: await openUpstream(play) })),
);
afterAll(() => Promise.all(labs.map(({ upstream }) => upstream.close())));
const gateway = await startGateway({
  config: {
    models: labs.map(({ kind }) => ({ name: `${kind}-lab`, tier: "free" })),
    providers: [
      ...labs.map(({ kind, upstream: { baseUrl } }) => ({
        ...{ name: `${kind}-lab`, kind, baseUrl },
        models: [`${kind}-lab`],
      })),
      { name: "demo", kind: "demo", models: ["claude-sonnet-4"] },
    ],
  },
});

/** One red pixel. */
const image =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";

const words = "Hello from upstream \u{1F642}!";
const demoSays = "This is Optamil's demo provider: no model was called.";
const everywhere = { count: 3, error: [404, "not_found_error"] };

/** What clients are to print of an upstream that says the same words always, and calls the first tool with `a`. */
const wordy = (tokens: readonly number[]) => ({
  create: { text: words, end: "end_turn", tokens },
  stream: { text: words, end: "end_turn", tokens, many: true },
  tools: { calls: [["get_weather", { a: 1 }]], end: "tool_use", text: words },
  streamedTools: [["get_weather", { a: 1 }]],
  vision: words,
  ...everywhere,
});

const labHello = { text: "Hello from the lab \u{1F642}!", end: "end_turn", tokens: [7, 3] };
const labCalls = ["Paris", "Rome"].map((city) => ["get_weather", { city }]);
const demoHello = {
  ...{ text: `${demoSays} You wrote: "Say hello."`, end: "end_turn", tokens: [3, 21] },
};
const demoCalls = [["get_weather", { city: expect.any(String) }]];

/** What every client is to print of each model. */
const expected = {
  "openai-lab": {
    create: labHello,
    stream: { ...labHello, many: true },
    tools: { calls: labCalls, end: "tool_use", text: "Paris: 18 degrees. Rome: 18 degrees." },
    streamedTools: labCalls,
    vision: `I see ${image}`,
    ...everywhere,
  },
  "anthropic-lab": wordy([4, 3]),
  "gemini-lab": wordy([3, 5]),
  "claude-sonnet-4": {
    create: demoHello,
    stream: { ...demoHello, many: true },
    tools: {
      ...{ calls: demoCalls, end: "tool_use" },
      text: `${demoSays} The tool answered: "18 degrees"`,
    },
    streamedTools: demoCalls,
    vision: `${demoSays} You wrote: "What is this?"`,
    ...everywhere,
  },
};

/** The same of the AI SDK, in its words; of the models that call tools unasked. */
function inWordsOfAi(name: "openai-lab" | "claude-sonnet-4") {
  const { count: _, create, stream, tools, ...rest } = expected[name];
  return {
    ...rest,
    create: { ...create, end: "stop" },
    stream: { ...stream, end: "stop" },
    tools: { ...tools, end: "tool-calls" },
  };
}

/** Runs a client once for all models, and states what it must have understood of each. */
function testClient(
  command: string,
  args: readonly string[],
  options: RunOptions,
  wanted: Readonly<Record<string, object>> = expected,
): void {
  const models = Object.keys(wanted);
  let lines: string[] = [];
  let stderr = "";
  beforeAll(async () => {
    const env = {
      NO_PROXY: "127.0.0.1",
      GATEWAY: gateway.url,
      API_KEY: gateway.key,
      MODELS: models.join(" "),
      IMAGE: image,
      ...options.env,
    };
    const result = await run(command, args, { ...options, env });
    lines = result.stdout.split("\n");
    stderr = result.stderr;
  });

  it.each(Object.entries(wanted))(
    "understands messages, streams, tools, images and errors of %s",
    (model, answers) => {
      const line = lines[models.indexOf(model)];
      expect(line, stderr).toMatch(/^\{/);
      expect(JSON.parse(line ?? "")).toEqual(answers);
    },
  );
}

const script = (name: string) => readFile(new URL(`clients/${name}`, import.meta.url), "utf8");
const inPython = await script("anthropic.py");
const inJavaScript = {
  anthropic: await script("anthropic.mjs"),
  ai: await script("ai-sdk-anthropic.mjs"),
};
// Read from stdin in the folder where the packages are found.
const nodeArgs = ["--input-type=module", "-"];

await describeWith(
  "Anthropic's Python SDK",
  () => pythonPackages("anthropic"),
  ({ command, env }) => testClient(command, ["-"], { env: { ...env }, input: inPython }),
);

await describeWith(
  "Anthropic's Node SDK",
  () => npmPackages("anthropic"),
  (cwd) => testClient(process.execPath, nodeArgs, { cwd, input: inJavaScript.anthropic }),
);

await describeWith(
  "the AI SDK with its Anthropic provider",
  () => npmPackages("anthropic"),
  (cwd) =>
    testClient(
      process.execPath,
      nodeArgs,
      { cwd, input: inJavaScript.ai },
      {
        "openai-lab": inWordsOfAi("openai-lab"),
        "claude-sonnet-4": inWordsOfAi("claude-sonnet-4"),
      },
    ),
);
