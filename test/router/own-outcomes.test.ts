import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { TierName } from "../../src/catalogue/tiers.ts";
import { Outcome } from "../../src/gen/optamil/v1/event_pb.ts";
import { explore } from "../../src/router/explore.ts";
import { openNetwork } from "../../src/router/network.ts";
import { readOwnOutcomes, tierPropensityPpm } from "../../src/router/training/own-outcomes.ts";
import { openChdbWarehouse } from "../../src/usage/chdb.ts";
import type { DecisionRecord } from "../../src/usage/event.ts";
import { placeEvents, sampleDecision, sampleEvent } from "../usage/sample-events.ts";
import { prompts } from "./prompts.ts";

const statement = readFileSync(
  new URL("../../src/router/training/own-outcomes.sql", import.meta.url),
  "utf8",
);

function createFolder(): string {
  return mkdtempSync(join(tmpdir(), "optamil-own-"));
}

/** In this world a budget model fails at every prompt with a digit, and whoever gets a bad answer leaves. */
const isHard = (prompt: string) => /\d/.test(prompt);
const candidates: DecisionRecord["ranked"] = [
  { model: { name: "cheap", tier: "budget" }, worth: 0.5, costUsd: 0.0001 },
  { model: { name: "strong", tier: "ultra" }, worth: 0.4, costUsd: 0.01 },
];

/** Events of a router that knows nothing yet, and explores a part. */
function eventsOf(rounds: number) {
  let draw = 0;
  // A low-discrepancy walk through 0 to 1: the same at each run.
  const random = () => (draw++ * 0.6180339887) % 1;
  return Array.from({ length: rounds * prompts.length }, (_, at) => {
    const prompt = prompts[at % prompts.length] ?? "";
    const { place, propensityPpm } = explore(2, { sharePpm: 400_000, random });
    const [chosen, other] = place === 0 ? candidates : candidates.toReversed();
    const tier: TierName = chosen?.model.tier ?? "free";
    const decision: DecisionRecord = {
      ...sampleDecision,
      chances: { free: 0.5, budget: 0.5, mid: 0.5, premium: 0.5, ultra: 0.5 },
      ranked: [chosen, other].flatMap((one) => one ?? []),
      propensityPpm,
    };
    const isBad = tier === "budget" && isHard(prompt);
    return sampleEvent({
      requestId: `request-${at}`,
      end: {
        attempts: [],
        decision,
        served: { model: chosen?.model.name ?? "", tier, provider: "demo" },
        outcome: isBad ? Outcome.CLIENT_CANCEL_PARTIAL : Outcome.STREAM_OK,
      },
    });
  });
}

describe("an operator's own outcomes", () => {
  const rounds = 3;
  const folder = createFolder();
  const files = {
    outcomes: join(folder, "outcomes.jsonl"),
    prompts: join(folder, "prompts.jsonl"),
  };
  beforeAll(async () => {
    const warehouse = await openChdbWarehouse(join(folder, "warehouse"));
    const events = placeEvents(eventsOf(rounds));
    await warehouse.insert({ logName: "usage/0", logEpoch: 1, events });
    writeFileSync(files.outcomes, await warehouse.sql(statement));
    await warehouse.close();
    const log = Array.from({ length: rounds * prompts.length - 7 }, (_, at) =>
      JSON.stringify({ id: `request-${at}`, prompt: prompts[at % prompts.length] }),
    );
    writeFileSync(files.prompts, log.join("\n"));
    return () => rmSync(folder, { recursive: true });
  });

  it("come out of the warehouse as the trainer reads them, with the prompts of the operator's log", () => {
    const { source, withoutPrompt } = readOwnOutcomes(files);
    expect({ ...source, outcomes: source.outcomes.length }).toEqual({
      ...{ name: "own", outcomes: rounds * prompts.length - 7 },
    });
    expect(withoutPrompt).toBe(7);
    expect(source.outcomes[0]?.logLength).toBeCloseTo(Math.log(30 * 4), 12);
    const values = new Set(source.outcomes.flatMap(({ fifths }) => fifths));
    expect(values).toEqual(new Set([0, 0.5, 1]));
    // Where a tier is asked now and then, its part of the need comes to what its answers are worth: of the hard prompts
    // half of what premium and ultra have (0.5, 1) less half of what budget and mid have (0, 0.5).
    for (const [wanted, gap] of [
      [true, 0.5],
      [false, 0],
    ] as const) {
      const own = source.outcomes.filter(({ prompt }) => isHard(prompt) === wanted);
      expect(own.reduce((sum, one) => sum + one.gap, 0) / own.length).toBeCloseTo(gap, 1);
    }
  });

  it("are worth what somebody says, where somebody does", () => {
    const rows = readFileSync(files.outcomes, "utf8").trim().split("\n");
    const first = { ...JSON.parse(rows[0] ?? ""), tier: "budget", good: false };
    const prompt = { id: first.id, prompt: "Say hello." };
    const scored = { ...files, outcomes: join(folder, "scored.jsonl") };
    for (const [score, worth] of [
      [0.75, 0.75],
      [null, 0],
    ]) {
      writeFileSync(scored.outcomes, JSON.stringify({ ...first, score }));
      writeFileSync(join(folder, "one.jsonl"), JSON.stringify(prompt));
      const { source } = readOwnOutcomes({ ...scored, prompts: join(folder, "one.jsonl") });
      expect(source.outcomes[0]?.fifths).toEqual([0.5, worth, 0.5, 0.5, 0.5]);
    }
    writeFileSync(scored.outcomes, JSON.stringify({ ...first, score: 2 }));
    expect(() => readOwnOutcomes(scored)).toThrow("scored.jsonl:1: this is not a row");
  });

  it("train weights that a gateway opens and that know where a strong model is needed", () => {
    const out = join(folder, "weights.bin");
    const words = ["--own", files.outcomes, "--prompts", files.prompts, "--out", out];
    const script = new URL("../../src/router/training/train.ts", import.meta.url).pathname;
    const said = execFileSync(process.execPath, [script, ...words], { encoding: "utf8" });
    expect(said).toContain("593 outcomes, 7 more have no prompt");
    const network = openNetwork(out);
    const means = [true, false].map((wanted) => {
      const own = prompts.filter((prompt) => isHard(prompt) === wanted);
      const needs = own.map((prompt) => network.assess(prompt).need);
      const chances = own.map((prompt) => network.assess(prompt).chances[1] ?? 0);
      const mean = (all: readonly number[]) => all.reduce((sum, one) => sum + one, 0) / own.length;
      return { need: mean(needs), chance: mean(chances) };
    });
    const [hard, easy] = means;
    expect((hard?.need ?? 0) - (easy?.need ?? 0)).toBeGreaterThan(0.5);
    expect((easy?.chance ?? 0) - (hard?.chance ?? 0)).toBeGreaterThan(0.3);
  }, 60_000);

  it.each([
    ["outcomes", '{"id":"a"}', "outcomes.jsonl:2: this is not a row of own-outcomes.sql"],
    ["outcomes", "not JSON", "outcomes.jsonl:2: this is not a row of own-outcomes.sql"],
    ["prompts", '{"id":"a","prompt":7}', 'prompts.jsonl:2: this is not {"id","prompt"}'],
  ] as const)("are refused by file and line where %s have %s", (name, line, reason) => {
    const other = createFolder();
    onTestFinished(() => rmSync(other, { recursive: true }));
    const broken = { ...files, [name]: join(other, `${name}.jsonl`) };
    const [first] = readFileSync(files[name], "utf8").split("\n");
    writeFileSync(broken[name], `${first}\n${line}\n`);
    expect(() => readOwnOutcomes(broken)).toThrow(reason);
  });

  it("without any prompt are refused", () => {
    const other = createFolder();
    onTestFinished(() => rmSync(other, { recursive: true }));
    writeFileSync(join(other, "prompts.jsonl"), "");
    const none = { ...files, prompts: join(other, "prompts.jsonl") };
    expect(() => readOwnOutcomes(none)).toThrow("none of 600 outcomes has a prompt in");
  });
});

describe("the propensity of a tier", () => {
  const eight = ["ultra", "ultra", "mid", "mid", "mid", "budget", "budget", "budget"];
  it.each([
    ["one that was sure", ["mid", "ultra"], 1_000_000, 1_000_000],
    ["the best model, and another of its tier", eight, 956_250, 962_500],
    ["an explored model beside the best one", eight, 6_250, 962_500],
    [
      "an explored model of another tier",
      ["mid", ...eight.slice(0, 2), ...eight.slice(3)],
      6_250,
      18_750,
    ],
    ["the only model", ["mid"], 1_000_000, 1_000_000],
  ])("is that of all its models: %s", (_what, tiers, propensity, expected) => {
    expect(tierPropensityPpm({ ranked_tiers: tiers, propensity_ppm: propensity })).toBe(expected);
  });
});
