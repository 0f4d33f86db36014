// npm run --silent router:score: reads JSON lines {"id","prompt"} and writes {"id","score","p"} for each.
import { createInterface } from "node:readline";
import { createNetwork } from "../src/router/network.ts";

const network = createNetwork();
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === "") continue;
  // The program's own documented form; a line without a prompt fails below.
  const { id, prompt } = JSON.parse(line) as { id: unknown; prompt: string };
  network.score(prompt);
  const p = [...network.p].map((chance) => Number(chance.toFixed(6)));
  process.stdout.write(`${JSON.stringify({ id, score: network.need, p })}\n`);
}
