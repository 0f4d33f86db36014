// `optamil audit`: whether every usage event is there, once.
import { parseArgs } from "node:util";
import { type AuditFinding, AuditFindingSchema } from "../gen/optamil/v1/admin_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import type { Command } from "./command.ts";
import { openRunning } from "./running.ts";
import { toTable } from "./table.ts";

const codec = jsonCodec(AuditFindingSchema);

/** Runs the audits and prints their findings. Exit code 1 if the books are wrong; notices alone do not make them so. */
export const audit: Command = {
  usage: "audit [--json]",
  summary: "Check that no usage event is lost or doubled (needs a running gateway).",
  async run(words, context) {
    const options = { json: { type: "boolean", default: false } } as const;
    const { values } = parseArgs({ args: [...words], options });
    const findings = await (await openRunning(context)).audit();
    if (values.json) context.print(`[${findings.map(codec.encodeText).join(",")}]`);
    else for (const line of toLines(findings)) context.print(line);
    return findings.some(({ severity }) => severity === "error") ? 1 : 0;
  },
};

function toLines(findings: readonly AuditFinding[]): readonly string[] {
  if (findings.length === 0) return ["Nothing is lost and nothing counts twice."];
  const rows = findings.map(({ severity, audit, message }) => [severity, audit, message]);
  return toTable(["SEVERITY", "AUDIT", "FINDING"], rows);
}
