import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createNetwork,
  formatWeights,
  parseWeights,
  weightsSizeBytes,
  weightsUrl,
} from "../../src/router/network.ts";
import { type ManifestEntry, readManifest, readSources } from "../../training/data.ts";
import { goldenPrompts, goldenUrl } from "../../training/golden-prompts.ts";

const bytes = readFileSync(weightsUrl);

describe("the committed weights", () => {
  it("take less than 1 MB", () => {
    expect(bytes.byteLength).toBe(weightsSizeBytes);
    expect(bytes.byteLength).toBeLessThan(1_000_000);
  });

  it("are the same bytes after being read and written", () => {
    expect(Buffer.from(formatWeights(parseWeights(bytes))).equals(bytes)).toBe(true);
  });

  it("are refused when the file is cut short", () => {
    expect(() => parseWeights(bytes.subarray(1))).toThrow("run router:train");
  });
});

describe("the scores of our own prompts", () => {
  it("are the golden ones, for each of the 200", () => {
    const golden: unknown = JSON.parse(readFileSync(goldenUrl, "utf8"));
    expect(goldenPrompts).toHaveLength(200);
    expect(goldenPrompts.map(scoreWith(createNetwork()))).toEqual(golden);
  });

  it("do not depend on what was scored before", () => {
    const score = scoreWith(createNetwork());
    const forwards = goldenPrompts.map(score);
    const backwards = goldenPrompts.toReversed().map(score).toReversed();
    expect(backwards).toEqual(forwards);
  });
});

describe("the training data's manifest", () => {
  let folder = "";
  const lines = gzipSync('{"prompt":"a","group":"g","s":{"m":1}}\n');
  const entry: ManifestEntry = {
    file: "some.jsonl.gz",
    rows: 1,
    sha256: createHash("sha256").update(lines).digest("hex"),
    repository: "owner/name",
    path: "outcomes/*.csv",
    commit: "0123456789ab",
    licence: "MIT",
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "optamil-router-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("says where each file comes from and under which licence", () => {
    for (const row of readManifest()) {
      expect(row.sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(row.commit).toMatch(/^[0-9a-f]{12}$/);
      expect([row.repository, row.path, row.licence]).not.toContain("");
    }
  });

  it("lets a file through that is what it says", () => {
    writeFileSync(join(folder, entry.file), lines);
    expect(readSources(folder, [entry])).toMatchObject([{ name: "some", rows: [{ prompt: "a" }] }]);
  });

  it("refuses a missing file by name", () => {
    expect(() => readSources(folder, [entry])).toThrow("some.jsonl.gz is missing");
  });

  it("refuses an altered file by name", () => {
    writeFileSync(join(folder, entry.file), gzipSync("{}\n"));
    expect(() => readSources(folder, [entry])).toThrow("some.jsonl.gz is altered");
  });
});

function scoreWith(network: ReturnType<typeof createNetwork>): (prompt: string) => number[] {
  return (prompt) => {
    network.score(prompt);
    return [network.need, ...network.p].map((value) => Number(value.toFixed(6)));
  };
}
