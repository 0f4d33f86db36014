// `optamil usage`: the credits of the current billing period, as /v1/usage tells them.
import { parseArgs } from "node:util";
import { type GetUsageResponse, GetUsageResponseSchema } from "../gen/optamil/v1/usage_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import type { Command } from "./command.ts";
import { formatCredits } from "./credits.ts";
import { openRunning } from "./running.ts";
import { toTable } from "./table.ts";

/** Prints the usage of the account whose key is used: OPTAMIL_API_KEY, else the first one. */
export const usage: Command = {
  usage: "usage [--json]",
  summary: "Show used and remaining credits of the billing period (needs a running gateway).",
  async run(words, context) {
    const options = { json: { type: "boolean", default: false } } as const;
    const { values } = parseArgs({ args: [...words], options });
    const response = await (await openRunning(context)).usage();
    if (values.json) context.print(jsonCodec(GetUsageResponseSchema).encodeText(response));
    else for (const line of toLines(response)) context.print(line);
    return 0;
  },
};

function toLines(usage: GetUsageResponse): readonly string[] {
  const { tierBreakdown: tiers } = usage;
  const rows: readonly (readonly [string, bigint | undefined])[] = [
    ["tier free", tiers?.freeMicro],
    ["tier budget", tiers?.budgetMicro],
    ["tier mid", tiers?.midMicro],
    ["tier premium", tiers?.premiumMicro],
    ["tier ultra", tiers?.ultraMicro],
    ["used", usage.creditsUsedMicro],
    ["remaining", usage.creditsRemainingMicro],
    ["total", usage.creditsTotalMicro],
  ];
  const table = toTable(
    ["", "CREDITS"],
    rows.map(([name, micro = 0n]) => [name, formatCredits(micro)]),
  );
  return [`${usage.billingPeriodStart} to ${usage.billingPeriodEnd}`, ...table];
}
