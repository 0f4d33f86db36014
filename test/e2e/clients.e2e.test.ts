import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { playClients } from "../fakes/client-upstream.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goProgram } from "../setup/go-tool.ts";
import { npmPackages } from "../setup/npm-packages.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { projectRoot } from "../setup/runtime.ts";
import { type ClientProgram, image, nodeArgs, readClient, testClient } from "./client-program.ts";
import { startGateway } from "./gateway.ts";

const upstream = await openUpstream(playClients);
afterAll(upstream.close);
const gateway = await startGateway({
  config: {
    providers: [
      { name: "lab", kind: "openai", baseUrl: upstream.baseUrl, models: ["gpt-4.1"] },
      { name: "demo", kind: "demo", models: ["claude-sonnet-4"] },
    ],
  },
});

const demoSays = "This is Optamil's demo provider: no model was called.";
// By the demo's own count: 3 tokens of the question, 21 of the answer.
const demoHello = { text: `${demoSays} You wrote: "Say hello."`, end: "stop", tokens: 24 };
const demoCalls = [["get_weather", { city: expect.any(String) }]];
const labHello = { text: "Hello from the lab \u{1F642}!", end: "stop", tokens: 10 };
const labCalls = [
  ["get_weather", { city: "Paris" }],
  ["get_weather", { city: "Rome" }],
];

/** What every client is to print of each model. */
const expected = {
  "gpt-4.1": {
    chat: labHello,
    stream: { ...labHello, many: true },
    tools: { calls: labCalls, text: "Paris: 18 degrees. Rome: 18 degrees." },
    streamedTools: labCalls,
    structured: { name: "Ada", age: 36 },
    vision: `I see ${image}`,
    error: [404, "model_not_found"],
  },
  "claude-sonnet-4": {
    chat: demoHello,
    stream: { ...demoHello, many: true },
    tools: { calls: demoCalls, text: `${demoSays} The tool answered: "18 degrees"` },
    streamedTools: demoCalls,
    structured: { name: expect.any(String), age: expect.any(Number) },
    vision: `${demoSays} You wrote: "What is this?"`,
    error: [404, "model_not_found"],
  },
};

function test(program: ClientProgram): void {
  const env = { BASE_URL: gateway.baseUrl, API_KEY: gateway.key, ...program.env };
  const understands = "chat, streams, tools, structured output, images and errors";
  testClient(understands, expected, { ...program, env });
}

const inPython = {
  openai: await readClient("openai.py"),
  langchain: await readClient("langchain.py"),
};
const inJavaScript = { openai: await readClient("openai.mjs"), ai: await readClient("ai-sdk.mjs") };

await describeWith(
  "the official Python SDK",
  () => pythonPackages("openai"),
  ({ command, env }) => test({ command, args: ["-"], env: { ...env }, input: inPython.openai }),
);

await describeWith(
  "LangChain's ChatOpenAI",
  () => pythonPackages("langchain"),
  ({ command, env }) => test({ command, args: ["-"], env: { ...env }, input: inPython.langchain }),
);

await describeWith(
  "the official Node SDK",
  () => npmPackages("clients"),
  (cwd) => test({ command: process.execPath, args: nodeArgs, cwd, input: inJavaScript.openai }),
);

await describeWith(
  "the AI SDK with its OpenAI-compatible provider",
  () => npmPackages("clients"),
  (cwd) => test({ command: process.execPath, args: nodeArgs, cwd, input: inJavaScript.ai }),
);

await describeWith(
  "the official Go SDK",
  () => goProgram(join(projectRoot, "test/e2e/clients/go")),
  (program) => test({ command: program, args: [] }),
);
