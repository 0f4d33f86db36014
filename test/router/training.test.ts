import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { encodeNetwork } from "../../src/router/network.ts";
import { buildNetwork, toNetwork } from "../../src/router/training/build.ts";
import { apgr, callsFor, hullSavedAt, savedAt } from "../../src/router/training/metrics.ts";
import { readManifest, readSources, type Source } from "../../src/router/training/outcomes.ts";
import { prompts } from "./prompts.ts";

/** A source in which questions with a number in them need a strong model, and the others do not. */
function source(name: string, texts: readonly string[]): Source {
  const outcomes = texts.map((prompt) => {
    const isHard = /\d/.test(prompt);
    const weak = isHard ? 0 : 1;
    const fifths = [weak, weak, weak, 1, 1];
    const ease = isHard ? 0.4 : 1;
    return { prompt, group: "", weak, fifths, strong: 1, gap: 1 - weak, ease, logLength: 5 };
  });
  return { name, outcomes };
}

const sources = [source("one", prompts.slice(0, 100)), source("two", prompts.slice(100))];

describe("the training", () => {
  it("gives the same bytes twice", () => {
    const [one, two] = [1, 2].map(() => {
      const { header, table } = buildNetwork(sources, { manifest: "test" });
      return encodeNetwork(header, table);
    });
    expect(one).toEqual(two);
  }, 60_000);

  it("learns what makes a question hard, and what it costs to be wrong", () => {
    const network = toNetwork(buildNetwork(sources, { manifest: "test" }));
    const all = sources.flatMap(({ outcomes }) => outcomes);
    const needs = all.map(({ prompt }) => network.assess(prompt).need);
    expect(apgr(all, needs)).toBeGreaterThan(0.8);
    const chances = all.map(({ prompt }) => network.assess(prompt).chances);
    expect(savedAt(all, chances, 0.97)).toBeGreaterThan(hullSavedAt(all, 0.97));
  }, 60_000);

  it("refuses a file that is missing, or not the one of the manifest, by its name", () => {
    const folder = mkdtempSync(join(tmpdir(), "optamil-router-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const { files } = readManifest();
    expect(files).toHaveLength(5);
    expect(() => readSources(folder, files)).toThrow(/^mmlu_dev\.jsonl\.gz is missing in/);
    writeFileSync(join(folder, "mmlu_dev.jsonl.gz"), gzipSync("{}\n"));
    expect(() => readSources(folder, files)).toThrow(
      /^mmlu_dev\.jsonl\.gz is not the file of the manifest: its SHA-256 is [0-9a-f]{64}$/,
    );
  });
});

describe("the measures", () => {
  const fifths = [0, 0, 0, 0, 1];
  const helped = { weak: 0, strong: 1, fifths };
  const same = { weak: 1, strong: 1, fifths: [1, 1, 1, 1, 1] };

  it("give 0.5 to an order that knows nothing, and more to one that knows", () => {
    const questions = [helped, same, helped, same];
    expect(apgr(questions, [1, 0, 1, 0])).toBe(0.75);
    expect(apgr(questions, [0, 1, 0, 1])).toBe(0.25);
    expect(callsFor(questions, [1, 0, 1, 0], 0.5)).toBe(0.25);
  });

  it("say what is saved beside what any mixture of single tiers saves", () => {
    const questions = [helped, same];
    const known = questions.map((one) => one.fifths);
    expect(savedAt(questions, known, 1)).toBe(0.5);
    expect(hullSavedAt(questions, 1)).toBe(0);
    expect(hullSavedAt(questions, 0.75)).toBeCloseTo(0.5, 9);
    expect(
      savedAt(
        questions,
        [
          [1, 1, 1, 1, 1],
          [1, 1, 1, 1, 1],
        ],
        1,
      ),
    ).toBeUndefined();
  });
});
