// `optamil plans list`: the plans that accounts can be on.
import { parseArgs } from "node:util";
import { type Plan, PlanSchema } from "../gen/optamil/v1/admin_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import { type Command, UsageError } from "./command.ts";
import { formatCredits } from "./credits.ts";
import { toTable } from "./table.ts";

const codec = jsonCodec(PlanSchema);
const header = ["PLAN", "CREDITS/MONTH", "REQUESTS/MIN", "REQUESTS/DAY", "TOKENS/MIN"];

/** Lists the plans: of the running gateway, or of the configuration if none runs. */
export const plans: Command = {
  usage: "plans list [--json]",
  summary: "List the plans.",
  async run([action, ...words], context) {
    if (action !== "list") throw new UsageError("say 'list'");
    const options = { json: { type: "boolean", default: false } } as const;
    const { values } = parseArgs({ args: [...words], options });
    const operations = await context.openAccounts();
    try {
      const all = await operations.plans();
      if (values.json) context.print(`[${all.map((plan) => codec.encodeText(plan)).join(",")}]`);
      else for (const line of toTable(header, all.map(toRow))) context.print(line);
    } finally {
      await operations.close();
    }
    return 0;
  },
};

function toRow(plan: Plan): string[] {
  const { creditsPerMonthMicro: micro } = plan;
  return [
    plan.id,
    micro === undefined ? "by contract" : formatCredits(micro),
    ...[plan.requestsPerMinute, plan.requestsPerDay, plan.tokensPerMinute].map(String),
  ];
}
