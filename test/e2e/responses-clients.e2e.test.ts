import { afterAll, expect } from "vitest";
import { message, messageStart, playAnthropic, textBlock } from "../fakes/anthropic-upstream.ts";
import { playClients } from "../fakes/client-upstream.ts";
import { playGemini, response } from "../fakes/gemini-upstream.ts";
import {
  chunk,
  event,
  openUpstream,
  type Play,
  playJson,
  playStream,
} from "../fakes/openai-upstream.ts";
import { describeWith } from "../setup/describe-with.ts";
import { npmPackages } from "../setup/npm-packages.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { type ClientProgram, image, nodeArgs, readClient, testClient } from "./client-program.ts";
import { startGateway } from "./gateway.ts";

const ada = { name: "Ada", age: 36 };

/** Answers with a person where the request has what asks for JSON of a schema, else as always. */
const withSchema =
  (asks: string, answer: object, play: Play): Play =>
  (reply, request) =>
    (request.text.includes(asks) ? playJson(200, answer) : play)(reply, request);

/** Closes the connection after these pieces where it is asked to, else answers as always. */
const breaking =
  (pieces: readonly string[], play: Play): Play =>
  async (reply, request) => {
    if (!request.text.includes("Break off.")) return play(reply, request);
    await playStream(pieces, "stall")(reply, request);
    reply.socket?.end();
  };

const person = JSON.stringify(ada);
const plays = {
  openai: breaking([event(chunk({ role: "assistant", content: "Hel" }))], playClients),
  anthropic: breaking(
    [messageStart(), ...textBlock(["Hel"]).slice(0, 2)],
    withSchema(
      "JSON of this schema",
      message([{ type: "text", text: person }], "end_turn"),
      playAnthropic,
    ),
  ),
  gemini: breaking(
    [event(response([{ text: "Hel" }]))],
    withSchema("responseJsonSchema", response([{ text: person }], "STOP"), playGemini),
  ),
};
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

const demoSays = "This is Optamil's demo provider: no model was called.";
const error = [404, "model_not_found"];
const broken = ["Hel", true];

/** What clients are to print of an upstream that says the same words always, and calls the first tool with `a`. */
const wordy = (tokens: readonly number[]) => {
  const text = "Hello from upstream \u{1F642}!";
  const hello = { text, end: "completed", tokens };
  return {
    ...{ create: hello, stream: { ...hello, many: true } },
    tools: { calls: [["get_weather", { a: 1 }]], text },
    streamedTools: [["get_weather", { a: 1 }]],
    ...{ structured: ada, vision: text, broken, error },
  };
};

const labHello = { text: "Hello from the lab \u{1F642}!", end: "completed", tokens: [7, 3] };
const labCalls = ["Paris", "Rome"].map((city) => ["get_weather", { city }]);
const demoHello = {
  ...{ text: `${demoSays} You wrote: "Say hello."`, end: "completed", tokens: [3, 21] },
};
const demoCalls = [["get_weather", { city: expect.any(String) }]];

/** What every client is to print of each model. */
const expected = {
  "openai-lab": {
    ...{ create: labHello, stream: { ...labHello, many: true } },
    tools: { calls: labCalls, text: "Paris: 18 degrees. Rome: 18 degrees." },
    streamedTools: labCalls,
    ...{ structured: ada, vision: `I see ${image}`, broken, error },
  },
  "anthropic-lab": wordy([7, 3]),
  "gemini-lab": wordy([7, 5]),
  "claude-sonnet-4": {
    ...{ create: demoHello, stream: { ...demoHello, many: true } },
    tools: { calls: demoCalls, text: `${demoSays} The tool answered: "18 degrees"` },
    streamedTools: demoCalls,
    structured: { name: expect.any(String), age: expect.any(Number) },
    ...{ vision: `${demoSays} You wrote: "What is this?"`, error },
    broken: [`${demoSays} You wrote: "Break off."`, false],
  },
};

/** The same in the words of the AI SDK, which calls a whole answer `stop`. */
const inWordsOfAi = Object.fromEntries(
  Object.entries(expected).map(([model, { create, stream, ...rest }]) => {
    const end = "stop";
    return [model, { ...rest, create: { ...create, end }, stream: { ...stream, end } }];
  }),
);

function test(program: ClientProgram, wanted: Readonly<Record<string, object>> = expected): void {
  const env = { BASE_URL: gateway.baseUrl, API_KEY: gateway.key, ...program.env };
  const understands = "responses, streams, tools, structured output, images, breaks and errors";
  testClient(understands, wanted, { ...program, env });
}

const inPython = await readClient("responses.py");
const inJavaScript = {
  openai: await readClient("responses.mjs"),
  ai: await readClient("ai-sdk-responses.mjs"),
};

await describeWith(
  "the official Python SDK",
  () => pythonPackages("openai"),
  ({ command, env }) => test({ command, args: ["-"], env: { ...env }, input: inPython }),
);

await describeWith(
  "the official Node SDK",
  () => npmPackages("responses"),
  (cwd) => test({ command: process.execPath, args: nodeArgs, cwd, input: inJavaScript.openai }),
);

await describeWith(
  "the AI SDK with its OpenAI provider",
  () => npmPackages("responses"),
  (cwd) =>
    test({ command: process.execPath, args: nodeArgs, cwd, input: inJavaScript.ai }, inWordsOfAi),
);
