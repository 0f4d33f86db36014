import { afterAll, expect } from "vitest";
import {
  playEmbeddings,
  playedVector,
  playGeminiEmbeddings,
  toBase64,
  upstreamDimensions,
} from "../fakes/embeddings-upstream.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { describeWith } from "../setup/describe-with.ts";
import { npmPackages } from "../setup/npm-packages.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { type ClientProgram, nodeArgs, readClient, testClient } from "./client-program.ts";
import { startGateway } from "./gateway.ts";

const plays = {
  "openai-lab": { kind: "openai", play: playEmbeddings },
  "normalised-lab": { kind: "openai", relay: "normalised", play: playEmbeddings },
  "gemini-lab": { kind: "gemini", play: playGeminiEmbeddings },
} as const;
const labs = await Promise.all(
  Object.entries(plays).map(async ([name, { play, ...options }]) => ({
    ...{ name, options, upstream: await openUpstream(play) },
  })),
);
afterAll(() => Promise.all(labs.map(({ upstream }) => upstream.close())));
const gateway = await startGateway({
  config: {
    models: labs.map(({ name }) => ({ name, tier: "budget", dimensions: upstreamDimensions })),
    providers: [
      ...labs.map(({ name, options, upstream: { baseUrl } }) => ({
        ...{ name, baseUrl, ...options, models: [name] },
      })),
      { name: "demo", kind: "demo", models: ["text-embedding-3-small"] },
    ],
  },
});

const of = (text: string, dimensions?: number) => playedVector(text, dimensions);
const error = [404, "model_not_found"];

/** What clients are to print of an upstream that plays its vectors, with its tokens for the two lists. */
const played = (model: string, one: readonly number[], both: readonly number[]) => ({
  text: { vectors: [["embedding", 0, 4, ...of("Hello.").slice(0, 2)]], model, tokens: one },
  float: {
    vectors: [
      ["embedding", 0, 3, ...of("Hello.", 3).slice(0, 2)],
      ["embedding", 1, 3, ...of("You too.", 3).slice(0, 2)],
    ],
    ...{ model, tokens: both },
  },
  base64: {
    vectors: [["embedding", 0, "base64", toBase64(of("Hello.", 1))]],
    ...{ model, tokens: one },
  },
  error,
});

const demo = "text-embedding-3-small";
const number = expect.any(Number);
/** What every client is to print of each model. */
const expected = {
  "openai-lab": played("openai-lab", [5, 5], [5, 5]),
  "normalised-lab": played("normalised-lab", [5, 5], [5, 5]),
  // Google counts no tokens here: they are estimated, a quarter of the characters.
  "gemini-lab": played("gemini-lab", [2, 2], [4, 4]),
  [demo]: {
    text: { vectors: [["embedding", 0, 1536, number, number]], model: demo, tokens: [2, 2] },
    float: {
      vectors: [
        ["embedding", 0, 3, number, number],
        ["embedding", 1, 3, number, number],
      ],
      ...{ model: demo, tokens: [5, 5] },
    },
    base64: {
      vectors: [["embedding", 0, "base64", expect.stringMatching(/^[\w+/]{6}==$/)]],
      ...{ model: demo, tokens: [2, 2] },
    },
    error,
  },
};

function test(program: ClientProgram): void {
  const env = { BASE_URL: gateway.baseUrl, API_KEY: gateway.key, ...program.env };
  testClient("vectors as numbers and in base64, their length and errors", expected, {
    ...program,
    env,
  });
}

const inPython = await readClient("embeddings.py");
const inJavaScript = await readClient("embeddings.mjs");

await describeWith(
  "the official Python SDK for embeddings",
  () => pythonPackages("openai"),
  ({ command, env }) => test({ command, args: ["-"], env: { ...env }, input: inPython }),
);

await describeWith(
  "the official Node SDK for embeddings",
  () => npmPackages("clients"),
  (cwd) => test({ command: process.execPath, args: nodeArgs, cwd, input: inJavaScript }),
);
