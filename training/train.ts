// npm run router:train -- --data DIR: learns the weights and writes them with the golden scores; twice gives the same bytes.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { axisCount, createNetwork, formatWeights, weightsUrl } from "../src/router/network.ts";
import { readDataFolder } from "./arguments.ts";
import { fitAxes } from "./axes.ts";
import { readSources } from "./data.ts";
import { goldenPrompts, goldenUrl } from "./golden-prompts.ts";
import { fitHeads, foldCount, heldOutAxes, packWeights } from "./heads.ts";
import { toMatrix } from "./ridge.ts";
import { toExamples } from "./targets.ts";

const examples = toExamples(readSources(readDataFolder()));
const matrix = toMatrix(examples.map(({ prompt }) => prompt));
const rows = examples.map((_, row) => row);
const total = axisCount * (foldCount + 1);
let done = 0;

function tick(): void {
  done++;
  process.stderr.write(`\r${examples.length} questions, axis ${done} of ${total}`);
}

const held = heldOutAxes(matrix, examples, rows, tick);
const axes = fitAxes(matrix, examples, rows, tick);
const bytes = formatWeights(packWeights(matrix, axes, fitHeads(examples, held)));
writeFileSync(weightsUrl, bytes);
const network = createNetwork();
const golden = goldenPrompts.map((prompt) => {
  network.score(prompt);
  return [network.need, ...network.p].map((value) => Number(value.toFixed(6)));
});
writeFileSync(
  goldenUrl,
  `[\n${golden.map((row) => `  ${JSON.stringify(row).replaceAll(",", ", ")}`).join(",\n")}\n]\n`,
);
const sha256 = createHash("sha256").update(bytes).digest("hex");
process.stderr.write("\n");
process.stdout.write(`src/router/weights.bin: ${bytes.byteLength} bytes, sha256 ${sha256}\n`);
