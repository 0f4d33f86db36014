import { afterAll, expect } from "vitest";
import { playAnthropic } from "../fakes/anthropic-upstream.ts";
import { playClients } from "../fakes/client-upstream.ts";
import { playGemini } from "../fakes/gemini-upstream.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { describeWith } from "../setup/describe-with.ts";
import { npmPackages } from "../setup/npm-packages.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { type ClientProgram, image, nodeArgs, readClient, testClient } from "./client-program.ts";
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

function test(program: ClientProgram, wanted: Readonly<Record<string, object>> = expected): void {
  const env = { GATEWAY: gateway.url, API_KEY: gateway.key, ...program.env };
  testClient("messages, streams, tools, images and errors", wanted, { ...program, env });
}

const inPython = await readClient("anthropic.py");
const inJavaScript = {
  anthropic: await readClient("anthropic.mjs"),
  ai: await readClient("ai-sdk-anthropic.mjs"),
};

await describeWith(
  "Anthropic's Python SDK",
  () => pythonPackages("anthropic"),
  ({ command, env }) => test({ command, args: ["-"], env: { ...env }, input: inPython }),
);

await describeWith(
  "Anthropic's Node SDK",
  () => npmPackages("anthropic"),
  (cwd) => test({ command: process.execPath, args: nodeArgs, cwd, input: inJavaScript.anthropic }),
);

await describeWith(
  "the AI SDK with its Anthropic provider",
  () => npmPackages("anthropic"),
  (cwd) =>
    test(
      { command: process.execPath, args: nodeArgs, cwd, input: inJavaScript.ai },
      {
        "openai-lab": inWordsOfAi("openai-lab"),
        "claude-sonnet-4": inWordsOfAi("claude-sonnet-4"),
      },
    ),
);
