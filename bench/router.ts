// `node bench/router.ts`: what a decision of the router costs, over the whole catalogue and a prompt of 2 kB.
import { statSync } from "node:fs";
import { createCatalogue } from "../src/catalogue/models.ts";
import { choose } from "../src/router/choose.ts";
import { openNetwork } from "../src/router/network.ts";
import { defaultQuality } from "../src/router/preferences.ts";
import { Ranking } from "../src/router/ranking.ts";

const decisions = 20_000;
/** Words of two syllables, none like the next: a prompt of 2 kB of them has some 300 that differ. */
const syllables = [
  "ba",
  "cor",
  "del",
  "fin",
  "gra",
  "hum",
  "jo",
  "lek",
  "mi",
  "nor",
  "pel",
  "qua",
  "rus",
  "tam",
  "vo",
  "zir",
];
const wordOf = (number: number) =>
  `${syllables[number % 16]}${syllables[(number >> 4) % 16]}${number % 3 === 0 ? "s" : ""}`;
const prompts = Array.from({ length: 64 }, (_, at) =>
  Array.from({ length: 420 }, (_unused, place) => wordOf((at * 7_919 + place * 104_729) >>> 3))
    .join(" ")
    .slice(0, 2_048),
);

const startedMs = performance.now();
const network = openNetwork();
const loadMs = performance.now() - startedMs;
const { models } = createCatalogue();
const features = prompts.map((task) => ({
  ...{
    prompt: task,
    promptChars: task.length,
    promptTokens: task.length / 4,
    maxOutputTokens: 256,
  },
  ...{ tools: false, vision: false, jsonMode: false, jsonSchema: false },
}));

/** Median and 99th percentile, µs. */
function measure(work: (at: number) => unknown): string {
  for (let at = 0; at < decisions / 4; at++) work(at);
  const micros = Array.from({ length: decisions }, (_, at) => {
    const beforeMs = performance.now();
    work(at);
    return (performance.now() - beforeMs) * 1_000;
  }).toSorted((one, other) => one - other);
  const quantile = (share: number) => (micros[Math.floor(share * decisions)] ?? 0).toFixed(1);
  return `p50 ${quantile(0.5)} µs, p99 ${quantile(0.99)} µs`;
}

/** Bytes that one call leaves on the heap once it is compiled: the median of windows too short for a collection. */
function allocated(work: (at: number) => unknown): string {
  const times = 200;
  const windows = Array.from({ length: 31 }, () => {
    const before = process.memoryUsage().heapUsed;
    for (let at = 0; at < times; at++) work(at);
    return (process.memoryUsage().heapUsed - before) / times;
  });
  return `${Math.round(windows.toSorted((one, other) => one - other)[15] ?? 0)} bytes`;
}

const taskOf = (at: number) => prompts[at % prompts.length] ?? "";
const featuresOf = (at: number) => features[at % features.length] ?? features[0];
console.log(`load: ${loadMs.toFixed(1)} ms`);
const { size } = statSync(new URL("../src/router/weights.bin", import.meta.url));
console.log(`weights: ${size} bytes`);
const decide = (at: number) => {
  const one = featuresOf(at);
  return one && choose(one, models, network);
};
const ranking = new Ranking();
const rank = (at: number) => {
  const one = featuresOf(at);
  if (one !== undefined) ranking.rank(one, models, network, { quality: defaultQuality });
};
const read = (at: number) => network.read(taskOf(at));
console.log(`read a prompt of 2 kB: ${measure(read)}, ${allocated(read)} allocated`);
console.log(`rank ${models.length} models for it: ${measure(rank)}, ${allocated(rank)} allocated`);
console.log(`the same, as a decision to keep: ${measure(decide)}, ${allocated(decide)} allocated`);
