// `optamil consumer`: a member of the group that carries a fleet's usage events to the warehouse.
import { parseArgs } from "node:util";
import type { Command } from "./command.ts";

/** Consumes until the process is told to stop. */
export const consumer: Command = {
  usage: "consumer",
  summary: "Carry usage events from Kafka to ClickHouse, beside any number of others.",
  async run(words, context) {
    parseArgs({ args: [...words], options: {} });
    await context.consume((line) => context.print(line));
    return 0;
  },
};
