// `optamil migrate`: makes the topics and tables of a fleet, and its first account.
import { parseArgs } from "node:util";
import type { Command } from "./command.ts";

/** Makes what is missing and says what differs. Exit code 1 if something does. */
export const migrate: Command = {
  usage: "migrate",
  summary: "Make the topics and tables of a fleet, its first account and key; says what differs.",
  async run(words, context) {
    parseArgs({ args: [...words], options: {} });
    const { done, differences } = await context.migrate();
    for (const line of done) context.print(line);
    for (const line of differences) context.warn(line);
    return differences.length === 0 ? 0 : 1;
  },
};
