// `optamil changes`: who changed which account or key, when, and how it was before.
import { parseArgs } from "node:util";
import { type Change, ListChangesResponseSchema } from "../gen/optamil/v1/admin_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import { type Command, UsageError } from "./command.ts";
import { toTable } from "./table.ts";

const codec = jsonCodec(ListChangesResponseSchema);
const changesPerPageMax = 1_000;
const header = ["NO", "TIME", "ACTOR", "ACTION", "SUBJECT", "WHAT"];

/** Lists changes, newest first: of the running gateway, or of its data if none runs. */
export const changes: Command = {
  usage: "changes [--account ACCOUNT_ID] [--limit N] [--before NO] [--json]",
  summary: "List who changed which account or key, and how.",
  async run(words, context) {
    const { values } = parseArgs({
      args: [...words],
      options: {
        account: { type: "string", default: "" },
        limit: { type: "string", default: "100" },
        before: { type: "string" },
        json: { type: "boolean", default: false },
      },
    });
    const limit = readWhole("--limit", values.limit, changesPerPageMax);
    const before =
      values.before === undefined ? undefined : readWhole("--before", values.before, 2 ** 32 - 1);
    const operations = await context.openAccounts();
    try {
      const page = await operations.changes({ limit, before, accountId: values.account });
      if (values.json) context.print(codec.encodeText(page));
      else for (const line of toTable(header, page.data.map(toRow))) context.print(line);
      const last = page.data.at(-1);
      if (page.hasMore && last !== undefined && !values.json) {
        context.print(`older ones: --before ${last.sequence}`);
      }
    } finally {
      await operations.close();
    }
    return 0;
  },
};

function toRow({ sequence, created, actor, action, accountId, keyId, fields }: Change): string[] {
  const what = fields.map(({ field, before, after }) =>
    before === undefined ? `${field}=${after}` : `${field}: ${before} -> ${after ?? "none"}`,
  );
  const time = `${new Date(Number(created) * 1_000).toISOString().slice(0, 19)}Z`;
  return [String(sequence), time, actor, action, keyId ?? accountId, what.join("; ")];
}

function readWhole(word: string, text: string, max: number): number {
  const number = Number(text);
  if (/^\d{1,10}$/.test(text) && number >= 1 && number <= max) return number;
  throw new UsageError(`${word} takes a whole number from 1 to ${max}`);
}
