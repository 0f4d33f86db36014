// Reads the command line of the training programs.
import { parseArgs } from "node:util";

/** The options that were given; `data` is the folder of the outcome files. Throws without it. */
export function readDataFolder(): string {
  const { values } = parseArgs({ options: { data: { type: "string" } } });
  if (values.data === undefined) throw new Error("say where the outcome files are: --data DIR");
  return values.data;
}
