// `optamil doctor`: what is wrong on this machine and with what it depends on, and what to do.
import { parseArgs } from "node:util";
import type { Command, Diagnosis } from "./command.ts";
import { toTable } from "./table.ts";

/** Looks at everything, changes nothing. Exit code 1 if something is wrong; notices alone do not make it so. */
export const doctor: Command = {
  usage: "doctor [--json]",
  summary: "Check configuration, data folder, gateway, clock and, in a fleet, what it shares.",
  async run(words, context) {
    const options = { json: { type: "boolean", default: false } } as const;
    const { values } = parseArgs({ args: [...words], options });
    const diagnoses = await context.diagnose();
    if (values.json) context.print(JSON.stringify(diagnoses));
    else for (const line of toLines(diagnoses)) context.print(line);
    return diagnoses.some(({ status }) => status === "error") ? 1 : 0;
  },
};

function toLines(diagnoses: readonly Diagnosis[]): readonly string[] {
  const rows = diagnoses.map(({ status, part, message }) => [status, part, message]);
  const remedies = diagnoses.flatMap(({ part, meaning, remedy }) =>
    [meaning, remedy].flatMap((text) => (text === undefined ? [] : [`${part}: ${text}`])),
  );
  const table = toTable(["STATUS", "PART", "FINDING"], rows);
  return remedies.length === 0 ? table : [...table, "", ...remedies];
}
