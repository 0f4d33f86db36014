import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { playClients } from "../fakes/client-upstream.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goProgram } from "../setup/go-tool.ts";
import { npmPackages } from "../setup/npm-packages.ts";
import { type RunOptions, run } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { projectRoot } from "../setup/runtime.ts";
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

/** One red pixel. */
const image =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";

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
const models = Object.keys(expected);

/** Runs a client once for all models, and states what it must have understood of each. */
function testClient(command: string, args: readonly string[], options: RunOptions = {}): void {
  let lines: string[] = [];
  let stderr = "";
  beforeAll(async () => {
    const env = {
      NO_PROXY: "127.0.0.1",
      BASE_URL: gateway.baseUrl,
      API_KEY: gateway.key,
      MODELS: models.join(" "),
      IMAGE: image,
      ...options.env,
    };
    const result = await run(command, args, { ...options, env });
    lines = result.stdout.split("\n");
    stderr = result.stderr;
  });

  it.each(Object.entries(expected))(
    "understands chat, streams, tools, structured output, images and errors of %s",
    (model, answers) => {
      const line = lines[models.indexOf(model)];
      expect(line, stderr).toMatch(/^\{/);
      expect(JSON.parse(line ?? "")).toEqual(answers);
    },
  );
}

const script = (name: string) => readFile(new URL(`clients/${name}`, import.meta.url), "utf8");
const inPython = { openai: await script("openai.py"), langchain: await script("langchain.py") };
const inJavaScript = { openai: await script("openai.mjs"), ai: await script("ai-sdk.mjs") };

await describeWith(
  "the official Python SDK",
  () => pythonPackages("openai"),
  ({ command, env }) => testClient(command, ["-"], { env: { ...env }, input: inPython.openai }),
);

await describeWith(
  "LangChain's ChatOpenAI",
  () => pythonPackages("langchain"),
  ({ command, env }) => testClient(command, ["-"], { env: { ...env }, input: inPython.langchain }),
);

// Read from stdin in the folder where the packages are found.
const nodeArgs = ["--input-type=module", "-"];

await describeWith(
  "the official Node SDK",
  () => npmPackages("clients"),
  (cwd) => testClient(process.execPath, nodeArgs, { cwd, input: inJavaScript.openai }),
);

await describeWith(
  "the AI SDK with its OpenAI-compatible provider",
  () => npmPackages("clients"),
  (cwd) => testClient(process.execPath, nodeArgs, { cwd, input: inJavaScript.ai }),
);

await describeWith(
  "the official Go SDK",
  () => goProgram(join(projectRoot, "test/e2e/clients/go")),
  (program) => testClient(program, []),
);
