// The operations of the counters as Redis runs them: one Lua text for each, with the parts that it needs.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** A script, and the name by which a server that has it knows it. */
export type Script = { readonly text: string; readonly sha1: string };

/** The scripts by operation; what each takes and gives is written at the head of its file. */
export const scripts = {
  admit: read("common", "windows", "ledger", "admit"),
  end: read("common", "windows", "ledger", "end"),
  renew: read("common", "renew"),
  sweep: read("common", "ledger", "sweep"),
  install: read("common", "windows", "traffic", "ledger", "install"),
  confirm: read("common", "ledger", "confirm"),
  confirms: read("common", "confirms"),
  check: read("common", "ledger", "check"),
  restore: read("common", "ledger", "restore"),
  reserve: read("common", "ledger", "reserve"),
  adopt: read("common", "windows", "ledger", "adopt"),
  rate: read("common", "windows", "rate"),
  usage: read("common", "usage"),
  beat: read("beat"),
  begin: read("idempotency-begin"),
  finish: read("idempotency-finish"),
  forget: read("idempotency-forget"),
} as const;

function read(...parts: string[]): Script {
  const text = parts
    .map((part) => readFileSync(new URL(`./${part}.lua`, import.meta.url), "utf8"))
    .join("\n");
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}
