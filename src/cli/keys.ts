// `optamil keys create|list|revoke`: API keys of the first account.
import { parseArgs } from "node:util";
import { create } from "@bufbuild/protobuf";
import { CreateKeyRequestSchema, type Key, KeySchema } from "../gen/optamil/v1/keys_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import { type Command, type CommandContext, type KeyOperations, UsageError } from "./command.ts";
import { toTable } from "./table.ts";

/** Creates, lists and revokes keys: by the running gateway, or in its data if none runs. */
export const keys: Command = {
  usage:
    "keys create --name NAME [--scope SCOPE ...] [--model MODEL ...] [--expires-in-days DAYS] [--json]\n" +
    "  optamil keys list [--json]\n" +
    "  optamil keys revoke KEY_ID [--reason unused|rotated|leaked] [--json]",
  summary: "Create, list and revoke API keys.",
  async run([action, ...words], context) {
    const perform = actions.get(action ?? "");
    if (perform === undefined) throw new UsageError("say 'create', 'list' or 'revoke'");
    return perform(words, context);
  },
};

type Action = (words: readonly string[], context: CommandContext) => Promise<number>;

const actions: ReadonlyMap<string, Action> = new Map([
  ["create", createKey],
  ["list", listKeys],
  ["revoke", revokeKey],
]);

const codec = jsonCodec(KeySchema);
const json = { type: "boolean", default: false } as const;
const secondsPerDay = 86_400;

async function createKey(words: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      name: { type: "string" },
      scope: { type: "string", multiple: true, default: [] },
      model: { type: "string", multiple: true, default: [] },
      "expires-in-days": { type: "string" },
      json,
    },
  });
  if (values.name === undefined) throw new UsageError("--name is missing");
  const days = readDays(values["expires-in-days"]);
  const request = create(CreateKeyRequestSchema, {
    name: values.name,
    scopes: values.scope,
    models: values.model,
    ...(days !== undefined && { expiresAt: BigInt(unixSeconds() + days * secondsPerDay) }),
  });
  const { key, info } = await use(context, (operations) => operations.create(request));
  context.print(values.json ? JSON.stringify({ key, info: codec.encode(info) }) : key);
  return 0;
}

async function listKeys(words: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: { json } });
  const infos = await use(context, (operations) => operations.list());
  if (values.json) context.print(JSON.stringify(infos.map((info) => codec.encode(info))));
  else for (const line of toTable(header, infos.map(toRow))) context.print(line);
  return 0;
}

async function revokeKey(words: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { reason: { type: "string", default: "unused" }, json },
    allowPositionals: true,
  });
  const [keyId, ...others] = positionals;
  if (keyId === undefined || others.length > 0) throw new UsageError("name one key id");
  const info = await use(context, (operations) => operations.revoke(keyId, values.reason));
  context.print(values.json ? JSON.stringify(codec.encode(info)) : `revoked ${info.id}`);
  return 0;
}

async function use<T>(
  context: CommandContext,
  work: (operations: KeyOperations) => Promise<T>,
): Promise<T> {
  const operations = await context.openKeys();
  try {
    return await work(operations);
  } finally {
    await operations.close();
  }
}

const header = ["ID", "KEY", "STATE", "SCOPES", "NAME"];

function toRow({ id, lastFour, name, scopes, revokedAt, expiresAt }: Key): string[] {
  const state =
    revokedAt === undefined ? `until ${toDay(expiresAt)}` : `revoked ${toDay(revokedAt)}`;
  return [id, `...${lastFour}`, state, scopes.join(","), name];
}

function toDay(seconds: bigint): string {
  return new Date(Number(seconds) * 1000).toISOString().slice(0, 10);
}

function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

function readDays(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const days = Number(text);
  if (/^\d{1,4}$/.test(text) && days >= 1 && days <= 3650) return days;
  throw new UsageError("--expires-in-days takes a whole number from 1 to 3650");
}
