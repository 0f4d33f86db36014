// `optamil budgets list|set|remove`: what keys and tags of an account may use in a billing period.
import { parseArgs } from "node:util";
import { create } from "@bufbuild/protobuf";
import {
  type Budget,
  BudgetSchema,
  ListBudgetsResponseSchema,
} from "../gen/optamil/v1/budgets_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import { type Command, type CommandContext, UsageError } from "./command.ts";
import { formatCredits, parseCredits } from "./credits.ts";
import { openRunning } from "./running.ts";
import { toTable } from "./table.ts";

/** Budgets of the account whose key is used (OPTAMIL_API_KEY, else the first one), or of the one that is named. */
export const budgets: Command = {
  usage:
    "budgets list [--account ACCOUNT_ID] [--limit N] [--after BUDGET_ID] [--json]\n" +
    "  optamil budgets set key:KEY_ID|tag:TAG CREDITS [--account ACCOUNT_ID] [--json]\n" +
    "  optamil budgets remove key:KEY_ID|tag:TAG [--account ACCOUNT_ID]",
  summary: "List, set and remove budgets of keys and tags (needs a running gateway).",
  async run([action, ...words], context) {
    const perform = actions.get(action ?? "");
    if (perform === undefined) throw new UsageError("say 'list', 'set' or 'remove'");
    await perform(words, context);
    return 0;
  },
};

type Action = (words: readonly string[], context: CommandContext) => Promise<void>;

const actions: ReadonlyMap<string, Action> = new Map([
  ["list", list],
  ["set", set],
  ["remove", remove],
]);

const json = { type: "boolean", default: false } as const;
const account = { type: "string" } as const;
const budgetsPerPageMax = 100;
const header = ["ID", "CREDITS", "USED", "REMAINING", "REACHED"];

async function list(words: readonly string[], context: CommandContext): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      limit: { type: "string", default: String(budgetsPerPageMax) },
      after: { type: "string", default: "" },
      account,
      json,
    },
  });
  const limit = Number(values.limit);
  if (!/^\d{1,3}$/.test(values.limit) || limit < 1 || limit > budgetsPerPageMax) {
    throw new UsageError(`--limit takes a whole number from 1 to ${budgetsPerPageMax}`);
  }
  const asked = { limit, after: values.after, accountId: values.account };
  const page = await (await openRunning(context)).budgets(asked);
  if (values.json) {
    const { data, hasMore } = page;
    const message = create(ListBudgetsResponseSchema, { object: "list", data, hasMore });
    context.print(jsonCodec(ListBudgetsResponseSchema).encodeText(message));
    return;
  }
  for (const line of toTable(header, page.data.map(toRow))) context.print(line);
  if (page.hasMore) context.warn(`There are more: --after ${page.data.at(-1)?.id}`);
}

async function set(words: readonly string[], context: CommandContext): Promise<void> {
  const options = { account, json };
  const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
  const [budgetId, credits, ...others] = positionals;
  if (budgetId === undefined || credits === undefined || others.length > 0) {
    throw new UsageError("name a budget and its credits");
  }
  const creditsMicro = credits === "0" ? 0n : parseCredits(credits);
  const asked = { budgetId, creditsMicro, accountId: values.account };
  const budget = await (await openRunning(context)).setBudget(asked);
  if (values.json) context.print(jsonCodec(BudgetSchema).encodeText(budget));
  else for (const line of toTable(header, [toRow(budget)])) context.print(line);
}

async function remove(words: readonly string[], context: CommandContext): Promise<void> {
  const options = { account };
  const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
  const [budgetId, ...others] = positionals;
  if (budgetId === undefined || others.length > 0) throw new UsageError("name one budget");
  const id = await (await openRunning(context)).deleteBudget(budgetId, values.account);
  context.print(`removed ${id}`);
}

function toRow(budget: Budget): string[] {
  return [
    budget.id,
    formatCredits(budget.creditsMicro),
    formatCredits(budget.creditsUsedMicro),
    formatCredits(budget.creditsRemainingMicro),
    budget.thresholdReached === 0 ? "" : `${budget.thresholdReached} %`,
  ];
}
