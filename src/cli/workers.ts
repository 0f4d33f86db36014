// How many processes serve.
import { parseArgs } from "node:util";
import { UsageError } from "./command.ts";

/** More processes than any machine has cores to spare for. */
const workersMax = 64;

/** Reads `--workers N`; 1 where it is not there. Throws UsageError. */
export function parseWorkers(words: readonly string[]): number {
  const { values } = parseArgs({ args: [...words], options: { workers: { type: "string" } } });
  const text = values.workers ?? "1";
  const workers = Number(text);
  if (/^\d+$/.test(text) && workers >= 1 && workers <= workersMax) return workers;
  throw new UsageError(`--workers: must be a whole number from 1 to ${workersMax}, got "${text}"`);
}
