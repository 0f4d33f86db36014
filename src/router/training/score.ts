// `npm run --silent router:score`: reads JSON lines {"id","prompt"}, writes {"id","score","p":[free … ultra]}.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { openNetwork } from "../network.ts";

const network = openNetwork();
const standardInput = createReadStream("/dev/stdin");
for await (const line of createInterface({ input: standardInput })) {
  if (line.trim() === "") continue;
  const { id, prompt }: { id: unknown; prompt: unknown } = JSON.parse(line);
  if (typeof prompt !== "string") throw new Error(`"prompt" is missing in ${line.slice(0, 100)}`);
  const { need, chances } = network.assess(prompt);
  console.log(JSON.stringify({ id, score: need, p: chances }));
}
