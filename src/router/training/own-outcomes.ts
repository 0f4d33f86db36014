// Reads an operator's own outcomes: what `own-outcomes.sql` exports of the warehouse, and the prompts of their own log.
import { readFileSync } from "node:fs";
import { tierNames } from "../../catalogue/tiers.ts";
import { meanOf } from "./metrics.ts";
import type { Outcome, Source } from "./outcomes.ts";

/** The files, of a JSON object a line. */
export type OwnFiles = {
  /** What the statement in `own-outcomes.sql` answers. */
  readonly outcomes: string;
  /** `{"id","prompt"}`, the id being that of `x-request-id`. */
  readonly prompts: string;
};

/** Own outcomes as the training takes them. */
export type OwnOutcomes = {
  readonly source: Source;
  /** Outcomes whose prompt is not among the prompts. */
  readonly withoutPrompt: number;
};

type Row = {
  readonly id: string;
  readonly tier: string;
  readonly good: boolean;
  /** How good somebody says that it was, 0 to 1; null or absent: nobody did. */
  readonly score?: number | null;
  readonly chances_ppm: readonly number[];
  readonly ranked_tiers: readonly string[];
  readonly propensity_ppm: number;
  readonly completion_tokens: number;
};

const whole = 1_000_000;
const charsPerToken = 4;
/** What a rare choice counts for at most: more would be right on average, and mostly chance. */
const importanceMax = 10;

/**
 * A request is answered by one tier, and says nothing of the others. What is taken for them is what the router thought;
 * for the one that answered, what came of it. Where the need of a strong model is learned, that counts the more the rarer
 * the choice was (the doubly robust estimate, its weights cut at `importanceMax`). The chances of
 * the tiers are fitted to what cannot leave 0 to 1, so there a thought is overruled as often as it was put to the test.
 *
 * Throws with the file and line of what cannot be read.
 */
export function readOwnOutcomes(files: OwnFiles): OwnOutcomes {
  const prompts = new Map(
    readLines(files.prompts, isPrompt, '{"id","prompt"}').map(({ id, prompt }) => [id, prompt]),
  );
  const rows = readLines(files.outcomes, isRow, "a row of own-outcomes.sql");
  const outcomes = rows.flatMap((row) => {
    const prompt = prompts.get(row.id);
    return prompt === undefined ? [] : toOutcome(row, prompt);
  });
  if (outcomes.length === 0) {
    throw new Error(
      `${files.outcomes}: none of ${rows.length} outcomes has a prompt in ${files.prompts}`,
    );
  }
  const source = { name: "own", outcomes };
  return { source, withoutPrompt: rows.length - outcomes.length };
}

function toOutcome(row: Row, prompt: string): Outcome {
  const importance = Math.min(importanceMax, whole / tierPropensityPpm(row));
  const thoughts = tierNames.map((tier, at) => {
    const chance = (row.chances_ppm[at] ?? 0) / whole;
    const surprise = tier === row.tier ? (row.score ?? Number(row.good)) - chance : 0;
    return { fifth: chance + surprise, worth: chance + importance * surprise };
  });
  const [, budget = 0, mid = 0, premium = 0, ultra = 0] = thoughts.map(({ worth }) => worth);
  const [weak, strong] = [(budget + mid) / 2, (premium + ultra) / 2];
  const ease = meanOf(thoughts.map(({ worth }) => worth));
  const chars = row.completion_tokens * charsPerToken;
  const logLength = chars > 0 ? Math.log(chars) : undefined;
  const fifths = thoughts.map(({ fifth }) => fifth);
  return { prompt, group: "", fifths, gap: strong - weak, weak, strong, ease, logLength };
}

/** How likely the tier of the chosen model was to be chosen, by any of its models. */
export function tierPropensityPpm({
  ranked_tiers: tiers,
  propensity_ppm: ownPpm,
}: Pick<Row, "ranked_tiers" | "propensity_ppm">): number {
  // No more than a twentieth is explored, so what was likely was the best one; else that is the next in the list.
  const bestAt = ownPpm > whole / 2 ? 0 : 1;
  const others = Math.max(1, tiers.length - 1);
  const eachPpm = bestAt === 0 ? (whole - ownPpm) / others : ownPpm;
  const bestPpm = whole - eachPpm * others;
  return tiers.reduce(
    (sum, tier, at) => (tier === tiers[0] ? sum + (at === bestAt ? bestPpm : eachPpm) : sum),
    0,
  );
}

function readLines<Line>(file: string, isLine: (value: unknown) => value is Line, what: string) {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line, at): Line[] => {
    if (line.trim() === "") return [];
    const value = parse(line);
    if (isLine(value)) return [value];
    throw new Error(`${file}:${at + 1}: this is not ${what}: ${line.slice(0, 100)}`);
  });
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isPrompt(value: unknown): value is { readonly id: string; readonly prompt: string } {
  const { id, prompt } = toFields(value);
  return typeof id === "string" && typeof prompt === "string";
}

function isRow(value: unknown): value is Row {
  const row = toFields(value);
  const { chances_ppm: chances, ranked_tiers: ranked, propensity_ppm: propensity } = row;
  return (
    typeof row["id"] === "string" &&
    isTier(row["tier"]) &&
    typeof row["good"] === "boolean" &&
    (row["score"] === undefined || row["score"] === null || isWithin(row["score"], 0, 1)) &&
    Array.isArray(chances) &&
    chances.length === tierNames.length &&
    chances.every((part) => isWithin(part, 0, whole)) &&
    Array.isArray(ranked) &&
    ranked.length > 0 &&
    ranked.every(isTier) &&
    isWithin(propensity, 1, whole) &&
    isWithin(row["completion_tokens"], 0, Number.MAX_SAFE_INTEGER)
  );
}

function toFields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function isTier(value: unknown): boolean {
  return tierNames.some((tier) => tier === value);
}

function isWithin(value: unknown, least: number, most: number): boolean {
  return typeof value === "number" && value >= least && value <= most;
}
