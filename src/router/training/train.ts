// `npm run router:train -- --data DIR`: trains the router's weights from the files of the manifest.
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { encodeNetwork } from "../network.ts";
import { buildNetwork } from "./build.ts";
import { readManifest, readSources } from "./outcomes.ts";

const { values } = parseArgs({
  options: {
    data: { type: "string" },
    out: { type: "string", default: new URL("../weights.bin", import.meta.url).pathname },
  },
});
if (values.data === undefined) throw new Error("--data DIR: where are the files of the manifest?");
const { files, sha256 } = readManifest();
const sources = readSources(values.data, files);
const startedMs = performance.now();
const { header, table } = buildNetwork(sources, {
  manifest: sha256,
  onProgress: (done, of) => console.log(`trained ${done} of ${of}`),
});
const bytes = encodeNetwork(header, table);
writeFileSync(values.out, bytes);
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
console.log(`${values.out}: ${bytes.byteLength} bytes in ${seconds} s`);
