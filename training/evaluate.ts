// npm run router:eval -- --data DIR: measures the router on held-out questions and writes docs/router-figures.md and its curves.
import { writeFileSync } from "node:fs";
import { tierNames } from "../src/catalogue/tiers.ts";
import { headInputCount, mixAxes, sourceCount, weighTiers } from "../src/router/network.ts";
import { readDataFolder } from "./arguments.ts";
import { fitAxes } from "./axes.ts";
import { toCurveSvg } from "./curve-svg.ts";
import { readSources, type Source } from "./data.ts";
import { fitHeads, heldOutAxes, projectAll } from "./heads.ts";
import { callShare, interval, meanApgr, order, toPairs } from "./measure.ts";
import { toMatrix } from "./ridge.ts";
import { type Example, rankModels, toExamples } from "./targets.ts";
import { calibrationTable, measureTiers, tierTable } from "./tier-measure.ts";

const sources: Source[] = readSources(readDataFolder());
const examples = toExamples(sources);
const matrix = toMatrix(examples.map(({ prompt }) => prompt));
const rows = examples.map((_, row) => row);
const bySource = sources.map((_, source) => rows.filter((row) => examples[row]?.source === source));

function tick(): void {
  process.stderr.write(".");
}

function chosen(on: readonly number[]): Example[] {
  return on.flatMap((row) => examples[row] ?? []);
}

type ReadAxes = (row: number) => Float64Array | undefined;

function needs(axes: ReadAxes, on: readonly number[], by: Float64Array, skip = -1): Float64Array {
  const inputs = new Float64Array(headInputCount);
  const p = new Float64Array(tierNames.length);
  return Float64Array.from(on, (row) => {
    mixAxes(axes(row) ?? inputs, examples[row]?.prompt.length ?? 0, inputs, skip);
    return weighTiers(inputs, by, p);
  });
}

function cells(values: readonly number[], digits = 3): string {
  return values.map((value) => value.toFixed(digits)).join(" / ");
}

const held = heldOutAxes(matrix, examples, rows, tick);
const heads = fitHeads(examples, held);
const table: string[] = [
  "| source (questions) | length | in-domain folds | left out | left out: CPT50 / 80 / 95 | length: CPT50 / 80 / 95 |",
  "| --- | --- | --- | --- | --- | --- |",
];
const means = { length: 0, inDomain: 0, leftOut: 0 };
for (const [source, { name, rows: all }] of sources.entries()) {
  const on = bySource[source] ?? [];
  const own = chosen(on);
  const pairs = toPairs(rankModels({ name, rows: all }));
  const others = rows.filter((row) => examples[row]?.source !== source);
  const projected = projectAll(matrix, fitAxes(matrix, examples, others, tick), on);
  const apart = new Map(on.map((row, at) => [row, projected[at]]));
  const otherHeld = new Map([...held].filter(([row]) => examples[row]?.source !== source));
  const otherHeads = fitHeads(examples, otherHeld);
  const scores = {
    length: Float64Array.from(own, ({ prompt }) => prompt.length),
    inDomain: needs((row) => held.get(row), on, heads),
    leftOut: needs((row) => apart.get(row), on, otherHeads, source),
  };
  const show = (by: Float64Array): string => {
    const [low, high] = interval(own, by, pairs);
    return `${meanApgr(order(own, by), pairs).toFixed(3)} [${low.toFixed(3)}–${high.toFixed(3)}]`;
  };
  const shares = (by: Float64Array): string =>
    cells(
      [0.5, 0.8, 0.95].map((part) => 100 * callShare(order(own, by), pairs, part)),
      1,
    );
  means.length += meanApgr(order(own, scores.length), pairs) / sourceCount;
  means.inDomain += meanApgr(order(own, scores.inDomain), pairs) / sourceCount;
  means.leftOut += meanApgr(order(own, scores.leftOut), pairs) / sourceCount;
  table.push(
    `| ${name} (${on.length}) | ${show(scores.length)} | ${show(scores.inDomain)} | ${show(scores.leftOut)} | ${shares(scores.leftOut)} | ${shares(scores.length)} |`,
  );
}
table.push(
  `| mean | ${means.length.toFixed(3)} | ${means.inDomain.toFixed(3)} | ${means.leftOut.toFixed(3)} | | |`,
);

const mixes = [
  ...sources.map(({ name }, source) => ({ name, on: bySource[source] ?? [] })),
  { name: "all sources with five tiers", on: rows.filter((row) => examples[row]?.source !== 0) },
]
  .filter(({ name }) => name !== "mmlu_dev")
  .map(({ name, on }) => measureTiers(name, on, { examples, held, heads }));
for (const mix of mixes) {
  const file = `router-${mix.name.replaceAll(/[ _]/g, "-")}.svg`;
  writeFileSync(new URL(`../docs/${file}`, import.meta.url), toCurveSvg(mix));
}
const text = `# The Neural Router's figures

Written by \`npm run router:eval -- --data DIR\`; docs/router.md says what they mean.

## Two models: average performance gap recovered (0.5 is random), mean over the pairs of a source

95 % intervals by bootstrap over the questions.

${table.join("\n")}

## Five tiers: % of the strongest tier's cost saved at kept quality (router | hull of constant tiers | oracle)

${tierTable(mixes)}

${mixes.map(({ name }) => `![cost and quality on ${name}](router-${name.replaceAll(/[ _]/g, "-")}.svg)`).join("\n")}

## Calibration of the tiers' chances on held-out folds

${calibrationTable(rows, { examples, held, heads })}
`;
writeFileSync(new URL("../docs/router-figures.md", import.meta.url), text);
process.stdout.write(`\n${text}`);
