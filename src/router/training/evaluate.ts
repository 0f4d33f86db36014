// `npm run router:eval -- --data DIR`: how good the router is, on questions that its training has not seen.
import { parseArgs } from "node:util";
import type { Assessment } from "../network.ts";
import { buildNetwork, foldOf, toNetwork } from "./build.ts";
import {
  apgr,
  calibrationError,
  callsFor,
  hullSavedAt,
  type Judged,
  meanOf,
  savedAt,
} from "./metrics.ts";
import { type Outcome, readManifest, readMeasured, readSources, type Source } from "./outcomes.ts";

const resamples = 200;
const { values } = parseArgs({ options: { data: { type: "string" } } });
if (values.data === undefined) throw new Error("--data DIR: where are the files of the manifest?");
const { files, sha256: manifest } = readManifest();
const sources = readSources(values.data, files);
const measured = readMeasured(values.data, "measure-only/routerbench_train.jsonl.gz");

type Assessed = {
  readonly name: string;
  readonly outcomes: readonly Outcome[];
  readonly assessments: readonly Assessment[];
};

/** Each source's questions, assessed by networks that saw the other three quarters of every source. */
function assessFolds(): Assessed[] {
  const found = sources.map(({ outcomes }) => new Array<Assessment>(outcomes.length));
  for (const fold of [0, 1, 2, 3]) {
    const isOf = (place: number) => foldOf(place) === fold;
    const rest = sources.map((source) => ({
      ...source,
      outcomes: source.outcomes.filter((_, place) => !isOf(place)),
    }));
    const network = toNetwork(buildNetwork(rest, { manifest }));
    for (const [at, { outcomes }] of sources.entries()) {
      for (const [place, { prompt }] of outcomes.entries()) {
        const own = found[at];
        if (own && isOf(place)) own[place] = network.assess(prompt);
      }
    }
  }
  return sources.map(({ name, outcomes }, at) => ({
    ...{ name, outcomes },
    assessments: found[at] ?? [],
  }));
}

function assessWith(training: readonly Source[], { name, outcomes }: Source): Assessed {
  const network = toNetwork(buildNetwork(training, { manifest }));
  const assessments = outcomes.map(({ prompt }) => network.assess(prompt));
  return { name, outcomes, assessments };
}

function needsOf({ assessments }: Assessed): number[] {
  return assessments.map(({ need }) => need);
}

/** APGR with the bounds of 95 % of resamples. */
function apgrText(assessed: Assessed): string {
  const { outcomes } = assessed;
  const needs = needsOf(assessed);
  const found: number[] = [];
  let state = 1;
  for (let round = 0; round < resamples; round += 1) {
    const places = outcomes.map(() => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state % outcomes.length;
    });
    const questions: Judged[] = places.flatMap((place) => outcomes[place] ?? []);
    found.push(
      apgr(
        questions,
        places.map((place) => needs[place] ?? 0),
      ),
    );
  }
  found.sort((one, other) => one - other);
  const at = (share: number) => (found[Math.floor(share * resamples)] ?? 0).toFixed(3);
  return `${apgr(outcomes, needs).toFixed(3)} [${at(0.025)}–${at(0.975)}]`;
}

function percent(share: number | undefined): string {
  return share === undefined ? "–" : `${Math.round(share * 100)}`;
}

function rankRow(assessed: Assessed): string {
  const { name, outcomes } = assessed;
  const needs = needsOf(assessed);
  const length = apgr(
    outcomes,
    outcomes.map(({ prompt }) => prompt.length),
  );
  const oracle = apgr(
    outcomes,
    outcomes.map(({ gap }) => gap),
  );
  const calls = [0.5, 0.8, 0.95].map((share) => percent(callsFor(outcomes, needs, share)));
  const cells = [
    name,
    outcomes.length,
    apgrText(assessed),
    length.toFixed(3),
    oracle.toFixed(2),
    ...calls,
  ];
  return `| ${cells.join(" | ")} |`;
}

function tierRow({ name, outcomes, assessments }: Assessed): string {
  const chances = assessments.map((assessment) => assessment.chances);
  const truth = outcomes.map(({ fifths }) => fifths);
  const saved = [0.95, 0.97, 0.99].map((share) => percent(savedAt(outcomes, chances, share)));
  const hull = [0.95, 0.97, 0.99].map((share) => percent(hullSavedAt(outcomes, share)));
  const oracle = percent(savedAt(outcomes, truth, 0.97));
  const errors = [0, 1, 2, 3, 4].map((tier) =>
    calibrationError(
      chances.map((row) => row[tier] ?? 0),
      truth.map((row) => row[tier] ?? 0),
    ).toFixed(3),
  );
  return `| ${name} | ${saved.join(" / ")} | ${hull.join(" / ")} | ${oracle} | ${errors.join(" ")} |`;
}

const rankHead =
  "| questions | count | APGR [95 %] | length | oracle | CPT50 | CPT80 | CPT95 |\n| --- | --- | --- | --- | --- | --- | --- | --- |";
const tierHead =
  "| questions | saved at 95 / 97 / 99 % | hull | oracle at 97 % | calibration error by tier |\n| --- | --- | --- | --- | --- |";

const inside = assessFolds();
const outside = sources.map((source) =>
  assessWith(
    sources.filter((other) => other !== source),
    source,
  ),
);
const routerBench = assessWith(sources, { ...measured, name: "RouterBench part, never trained" });
const everything = {
  name: "all of them",
  outcomes: inside.flatMap(({ outcomes }) => outcomes),
  assessments: inside.flatMap(({ assessments }) => assessments),
};
const mean = meanOf(outside.map((assessed) => apgr(assessed.outcomes, needsOf(assessed))));
const lines = [
  "Folds: three quarters of every source trained.\n",
  rankHead,
  ...inside.map(rankRow),
  "\nA source that was left out.\n",
  rankHead,
  ...[...outside, routerBench].map(rankRow),
  `\nMean of the sources left out: ${mean.toFixed(3)}\n`,
  "Five tiers, at 0 / 0.14 / 1.5 / 5 / 15 US$; lambda swept on the same questions.\n",
  tierHead,
  ...[...inside, everything, routerBench].map(tierRow),
];
console.log(lines.join("\n"));
