// `optamil openapi`: the document of the REST API, without starting anything.
import { parseArgs } from "node:util";
import type { Command } from "./command.ts";

/** Prints the OpenAPI 3.1 document. */
export const openapi: Command = {
  usage: "openapi",
  summary: "Print the OpenAPI 3.1 document.",
  async run(words, context) {
    parseArgs({ args: [...words], options: {} });
    context.print(JSON.stringify(await context.openApi(), null, 2));
    return 0;
  },
};
