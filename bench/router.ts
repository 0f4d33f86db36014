// How long a routing decision takes, what loading the weights costs and how large they are.
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { createCatalogue } from "../src/catalogue/models.ts";
import { choose } from "../src/router/choose.ts";
import { createNetwork, weightsUrl } from "../src/router/network.ts";

const decisions = 20_000;
const modelCount = 55;
const promptChars = 2_000;

const before = performance.now();
const network = createNetwork();
const loadMs = performance.now() - before;

const models = createCatalogue().models.slice(0, modelCount);
const words = readFileSync(new URL("../README.md", import.meta.url), "utf8").repeat(3);
const prompts = Array.from({ length: 100 }, (_, at) => words.slice(at * 13, at * 13 + promptChars));
const times = new Float64Array(decisions);
for (let at = -5_000; at < decisions; at++) {
  const features = {
    prompt: prompts[Math.abs(at) % prompts.length] ?? "",
    promptChars,
    promptTokens: promptChars / 4,
    maxOutputTokens: undefined,
    tools: false,
    vision: false,
    jsonMode: false,
    jsonSchema: false,
  };
  const startedAt = performance.now();
  choose(features, models, network);
  if (at >= 0) times[at] = (performance.now() - startedAt) * 1_000;
}
times.sort();

console.log(`decision over ${models.length} models, ${promptChars} characters, ${decisions} times`);
for (const [name, share] of [
  ["p50", 0.5],
  ["p99", 0.99],
] as const) {
  console.log(`${name} ${(times[Math.floor(share * decisions)] ?? 0).toFixed(1)} µs`);
}
console.log(`load ${loadMs.toFixed(1)} ms, weights ${readFileSync(weightsUrl).byteLength} bytes`);
