// `optamil move`: brings the state of one machine's gateway into a fleet.
import { parseArgs } from "node:util";
import type { Command } from "./command.ts";

/** Copies and checks; a line for each step. Exit code 1 if a sum, an account or a key differs in the end. */
export const move: Command = {
  usage: "move [--json]",
  summary:
    "Bring the state of a stopped gateway into the fleet of the configuration; may be repeated.",
  async run(words, context) {
    const options = { json: { type: "boolean", default: false } } as const;
    const { json } = parseArgs({ args: [...words], options }).values;
    const differences = await context.move({
      tell: (step, message) =>
        context.print(json ? JSON.stringify({ step, message }) : `${step}: ${message}`),
    });
    for (const line of differences) context.warn(line);
    return differences.length === 0 ? 0 : 1;
  },
};
