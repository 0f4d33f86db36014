// `npm run router:train -- --data DIR`: trains the router's weights from the files of the manifest, from an operator's own
// outcomes (`--own FILE --prompts FILE`), or from both.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { encodeNetwork } from "../network.ts";
import { buildNetwork } from "./build.ts";
import { readManifest, readSources, type Source } from "./outcomes.ts";
import { readOwnOutcomes } from "./own-outcomes.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    own: { type: "string" },
    prompts: { type: "string" },
    out: { type: "string" },
  },
});
const { data, own, prompts } = values;
if (data === undefined && own === undefined) {
  throw new Error("--data DIR: where are the files of the manifest? Or --own FILE --prompts FILE");
}
if (own !== undefined && (prompts === undefined || values.out === undefined)) {
  throw new Error("--own FILE needs --prompts FILE, and --out FILE for the weights");
}
const out = values.out ?? fileURLToPath(new URL("../weights.bin", import.meta.url));
const { files, sha256 } = readManifest();
const sources: Source[] = data === undefined ? [] : readSources(data, files);
const learnedFrom = data === undefined ? [] : [sha256];
if (own !== undefined && prompts !== undefined) {
  const { source, withoutPrompt } = readOwnOutcomes({ outcomes: own, prompts });
  sources.push(source);
  for (const file of [own, prompts]) learnedFrom.push(hash(readFileSync(file)));
  console.log(`${own}: ${source.outcomes.length} outcomes, ${withoutPrompt} more have no prompt`);
}
const startedMs = performance.now();
const { header, table } = buildNetwork(sources, {
  manifest: own === undefined ? sha256 : hash(learnedFrom.join("\n")),
  onProgress: (done, of) => console.log(`trained ${done} of ${of}`),
});
const bytes = encodeNetwork(header, table);
writeFileSync(out, bytes);
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
console.log(`${out}: ${bytes.byteLength} bytes in ${seconds} s`);

function hash(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
