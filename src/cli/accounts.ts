// `optamil accounts list|create|invite|set-plan|set-routing|set-content|grant|refund`: the accounts of a gateway, their plans and credits.
import { parseArgs } from "node:util";
import { contentDaysMax } from "../directory/fold.ts";
import type { Account } from "../gen/optamil/v1/accounts_pb.ts";
import { AccountSchema } from "../gen/optamil/v1/accounts_pb.ts";
import {
  CreateAccountResponseSchema,
  GrantCreditsResponseSchema,
  ListAccountsResponseSchema,
  RefundUsageResponseSchema,
} from "../gen/optamil/v1/admin_pb.ts";
import { KeySchema } from "../gen/optamil/v1/keys_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import {
  type AccountOperations,
  type Command,
  type CommandContext,
  UsageError,
} from "./command.ts";
import { formatCredits, parseCredits } from "./credits.ts";
import { keyHeader, toKeyRow } from "./keys.ts";
import { parseQuality } from "./quality.ts";
import { openRunning } from "./running.ts";
import { toTable } from "./table.ts";

/** Accounts: by the running gateway, or in its data if none runs; refunds need one that runs. */
export const accounts: Command = {
  usage:
    "accounts list [--limit N] [--after ACCOUNT_ID] [--json]\n" +
    "  optamil accounts create --name NAME [--plan PLAN] [--json]\n" +
    "  optamil accounts invite EMAIL [--plan PLAN] [--days DAYS]\n" +
    "  optamil accounts set-plan ACCOUNT_ID PLAN [--json]\n" +
    "  optamil accounts set-routing ACCOUNT_ID [--quality 0..1] [--baseline MODEL] [--json]\n" +
    "  optamil accounts set-content ACCOUNT_ID 1..30|off [--json]\n" +
    "  optamil accounts grant ACCOUNT_ID CREDITS [--period YYYY-MM] [--reason TEXT] [--json]\n" +
    "  optamil accounts refund ACCOUNT_ID EVENT_ID [--json]\n" +
    "  optamil accounts keys ACCOUNT_ID [--json]\n" +
    "  optamil accounts revoke-key ACCOUNT_ID KEY_ID [--reason unused|rotated|leaked] [--json]",
  summary:
    "List, create and invite accounts, set plans and routing, grant credits, refund, revoke keys.",
  async run([action, ...words], context) {
    const perform = actions.get(action ?? "");
    if (perform === undefined) {
      throw new UsageError(
        "say 'list', 'create', 'invite', 'set-plan', 'set-routing', 'set-content', 'grant', 'refund', 'keys' or 'revoke-key'",
      );
    }
    await perform(words, context);
    return 0;
  },
};

type Action = (words: readonly string[], context: CommandContext) => Promise<void>;

const actions: ReadonlyMap<string, Action> = new Map([
  ["list", list],
  ["create", create],
  ["invite", invite],
  ["set-plan", setPlan],
  ["set-routing", setRouting],
  ["set-content", setContent],
  ["grant", grant],
  ["refund", refund],
  ["keys", listKeys],
  ["revoke-key", revokeKey],
]);

const invitationDaysMax = 90;
const json = { type: "boolean", default: false } as const;
const accountsPerPageMax = 1_000;

async function list(words: readonly string[], context: CommandContext): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      limit: { type: "string", default: "100" },
      after: { type: "string", default: "" },
      json,
    },
  });
  const page = { limit: readLimit(values.limit), after: values.after };
  const response = await use(context, (operations) => operations.list(page));
  if (values.json) {
    context.print(jsonCodec(ListAccountsResponseSchema).encodeText(response));
    return;
  }
  const header = ["ID", "PLAN", "CREATED", "NAME"];
  for (const line of toTable(header, response.data.map(toRow))) context.print(line);
  if (response.hasMore) context.warn(`There are more: --after ${response.data.at(-1)?.id}`);
}

function toRow({ id, plan, created, name }: Account): string[] {
  return [id, plan, new Date(Number(created) * 1_000).toISOString().slice(0, 10), name];
}

async function create(words: readonly string[], context: CommandContext): Promise<void> {
  const { values } = parseArgs({
    args: [...words],
    options: { name: { type: "string" }, plan: { type: "string", default: "" }, json },
  });
  const { name, plan } = values;
  if (name === undefined || name === "") throw new UsageError("--name is missing");
  const made = await use(context, (operations) => operations.create({ name, plan }));
  if (values.json) context.print(jsonCodec(CreateAccountResponseSchema).encodeText(made));
  else {
    context.print(`account  ${made.account?.id}`);
    context.print(`key      ${made.key}`);
  }
}

async function invite(words: readonly string[], context: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { plan: { type: "string", default: "" }, days: { type: "string" } },
    allowPositionals: true,
  });
  const [email, ...others] = positionals;
  if (email === undefined || others.length > 0) throw new UsageError("name one e-mail address");
  const { days, plan } = values;
  const expiresInDays = days === undefined ? undefined : Number(days);
  const isFine = days === undefined || (/^\d{1,2}$/.test(days) && Number(days) >= 1);
  if (!isFine || Number(days ?? 1) > invitationDaysMax) {
    throw new UsageError(`--days takes a whole number from 1 to ${invitationDaysMax}`);
  }
  const { invitation } = await use(context, (operations) =>
    operations.invite({ email, plan, expiresInDays }),
  );
  context.print(invitation);
}

async function setPlan(words: readonly string[], context: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { json },
    allowPositionals: true,
  });
  const [accountId, plan] = readPair(positionals, "name an account id and a plan");
  const account = await use(context, (operations) => operations.setPlan(accountId, plan));
  if (values.json) context.print(jsonCodec(AccountSchema).encodeText(account));
  else context.print(`${account.id} is on plan ${account.plan}`);
}

async function setRouting(words: readonly string[], context: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: {
      quality: { type: "string" },
      baseline: { type: "string", default: "" },
      json,
    },
    allowPositionals: true,
  });
  const [accountId, ...others] = positionals;
  if (accountId === undefined || others.length > 0) throw new UsageError("name one account id");
  const quality = values.quality === undefined ? undefined : parseQuality(values.quality);
  const account = await use(context, (operations) =>
    operations.setRouting({ accountId, quality, baselineModel: values.baseline }),
  );
  if (values.json) context.print(jsonCodec(AccountSchema).encodeText(account));
  else {
    const asked = account.quality ?? "the gateway's quality";
    const against = account.baselineModel ?? "the strongest model on offer";
    context.print(`${account.id} is routed at ${asked}, savings are against ${against}`);
  }
}

async function setContent(words: readonly string[], context: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { json },
    allowPositionals: true,
  });
  const [accountId, kept] = readPair(positionals, "name an account id, and days or 'off'");
  const days = kept === "off" ? 0 : Number(kept);
  if (kept !== "off" && !(Number.isInteger(days) && days >= 1 && days <= contentDaysMax)) {
    throw new UsageError(`say for how many days, 1 to ${contentDaysMax}, or 'off'`);
  }
  const account = await use(context, (operations) => operations.setContentDays(accountId, days));
  if (values.json) context.print(jsonCodec(AccountSchema).encodeText(account));
  else if (days === 0) context.print(`${account.id} keeps no prompts and answers`);
  else context.print(`${account.id} keeps prompts and answers for ${days} days`);
}

async function grant(words: readonly string[], context: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: {
      period: { type: "string", default: "" },
      reason: { type: "string", default: "" },
      json,
    },
    allowPositionals: true,
  });
  const [accountId, credits] = readPair(positionals, "name an account id and a number of credits");
  const creditsMicro = parseCredits(credits);
  const { period: periodId, reason } = values;
  const granted = await use(context, (operations) =>
    operations.grant({ accountId, creditsMicro, periodId, reason }),
  );
  if (values.json) context.print(jsonCodec(GrantCreditsResponseSchema).encodeText(granted));
  else {
    const sum = formatCredits(granted.grantedMicro);
    context.print(`${accountId} has ${sum} granted credits in ${granted.periodId}`);
  }
}

async function refund(words: readonly string[], context: CommandContext): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { json },
    allowPositionals: true,
  });
  const [accountId, eventId] = readPair(positionals, "name an account id and an event id");
  const refunded = await (await openRunning(context)).refund(accountId, eventId);
  if (values.json) context.print(jsonCodec(RefundUsageResponseSchema).encodeText(refunded));
  else {
    const credits = formatCredits(refunded.refundedMicro);
    context.print(`refunded ${credits} credits of ${refunded.periodId}`);
  }
}

async function listKeys(words: readonly string[], context: CommandContext): Promise<void> {
  const options = { json };
  const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
  const [accountId, ...others] = positionals;
  if (accountId === undefined || others.length > 0) throw new UsageError("name one account id");
  const infos = await use(context, (operations) => operations.keys(accountId));
  const codec = jsonCodec(KeySchema);
  if (values.json) context.print(JSON.stringify(infos.map((info) => codec.encode(info))));
  else for (const line of toTable(keyHeader, infos.map(toKeyRow))) context.print(line);
}

async function revokeKey(words: readonly string[], context: CommandContext): Promise<void> {
  const options = { reason: { type: "string", default: "unused" }, json } as const;
  const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
  const [accountId, keyId] = readPair(positionals, "name an account id and a key id");
  const info = await use(context, (operations) =>
    operations.revokeKey(accountId, keyId, values.reason),
  );
  if (values.json) context.print(jsonCodec(KeySchema).encodeText(info));
  else context.print(`revoked ${info.id}`);
}

async function use<T>(
  context: CommandContext,
  work: (operations: AccountOperations) => Promise<T>,
): Promise<T> {
  const operations = await context.openAccounts();
  try {
    return await work(operations);
  } finally {
    await operations.close();
  }
}

function readPair(words: readonly string[], hint: string): [string, string] {
  const [first, second] = words;
  if (first !== undefined && second !== undefined && words.length === 2) return [first, second];
  throw new UsageError(hint);
}

function readLimit(text: string): number {
  const limit = Number(text);
  if (/^\d{1,4}$/.test(text) && limit >= 1 && limit <= accountsPerPageMax) return limit;
  throw new UsageError(`--limit takes a whole number from 1 to ${accountsPerPageMax}`);
}
