// `optamil keys create|list|rotate|revoke|rotate-signing`: API keys of the first account, and what signs them.
import { parseArgs } from "node:util";
import { create } from "@bufbuild/protobuf";
import {
  CreateKeyRequestSchema,
  type Key,
  type KeyLimits,
  KeyLimitsSchema,
  KeySchema,
} from "../gen/optamil/v1/keys_pb.ts";
import { jsonCodec } from "../platform/json.ts";
import { toParameterPolicy } from "../platform/settings.ts";
import { type Command, type CommandContext, type KeyOperations, UsageError } from "./command.ts";
import { parseCredits } from "./credits.ts";
import { parseQuality } from "./quality.ts";
import { toTable } from "./table.ts";

/** Creates, lists, rotates and revokes keys: by the running gateway, or in its data if none runs. */
export const keys: Command = {
  usage:
    "keys create --name NAME [--scope SCOPE ...] [--model MODEL ...] [--tier TIER ...] [--expires-in-days DAYS]\n" +
    "      [--requests-per-minute N] [--requests-per-day N] [--tokens-per-minute N] [--concurrent N]\n" +
    "      [--budget CREDITS] [--quality 0..1] [--parameter-policy forward|drop|reject] [--json]\n" +
    "  optamil keys list [--json]\n" +
    "  optamil keys rotate KEY_ID [--overlap-hours HOURS] [--json]\n" +
    "  optamil keys revoke KEY_ID [--reason unused|rotated|leaked] [--json]\n" +
    "  optamil keys rotate-signing [--stage | --promote]",
  summary: "Create, list, rotate and revoke API keys.",
  async run([action, ...words], context) {
    const perform = actions.get(action ?? "");
    if (perform === undefined)
      throw new UsageError("say 'create', 'list', 'rotate', 'revoke' or 'rotate-signing'");
    return perform(words, context);
  },
};

type Action = (words: readonly string[], context: CommandContext) => Promise<number>;

const actions: ReadonlyMap<string, Action> = new Map([
  ["create", createKey],
  ["list", listKeys],
  ["rotate", rotateKey],
  ["revoke", revokeKey],
  ["rotate-signing", rotateSigning],
]);

const codec = jsonCodec(KeySchema);
const json = { type: "boolean", default: false } as const;
const secondsPerDay = 86_400;
const secondsPerHour = 3_600;

async function createKey(words: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      name: { type: "string" },
      scope: { type: "string", multiple: true, default: [] },
      model: { type: "string", multiple: true, default: [] },
      tier: { type: "string", multiple: true, default: [] },
      "requests-per-minute": { type: "string" },
      "requests-per-day": { type: "string" },
      "tokens-per-minute": { type: "string" },
      concurrent: { type: "string" },
      budget: { type: "string" },
      quality: { type: "string" },
      "parameter-policy": { type: "string", default: "" },
      "expires-in-days": { type: "string" },
      json,
    },
  });
  if (values.name === undefined) throw new UsageError("--name is missing");
  const days = readWhole("--expires-in-days", values["expires-in-days"], 3650);
  const limits = readLimits(values);
  const request = create(CreateKeyRequestSchema, {
    name: values.name,
    scopes: values.scope,
    models: values.model,
    tiers: values.tier,
    parameterPolicy: readPolicy(values["parameter-policy"]),
    ...(limits !== undefined && { limits }),
    ...(values.quality !== undefined && { quality: parseQuality(values.quality) }),
    ...(values.budget !== undefined && { budgetMicro: parseCredits(values.budget) }),
    ...(days !== undefined && { expiresAt: BigInt(unixSeconds() + days * secondsPerDay) }),
  });
  const { key, info } = await use(context, (operations) => operations.create(request));
  context.print(values.json ? JSON.stringify({ key, info: codec.encode(info) }) : key);
  return 0;
}

/** As the request has it: the command line may have nobody else who checks. */
function readPolicy(word: string): string {
  if (word === "" || toParameterPolicy(word) !== undefined) return word;
  throw new UsageError("--parameter-policy takes forward, drop or reject");
}

async function listKeys(words: readonly string[], context: CommandContext): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: { json } });
  const infos = await use(context, (operations) => operations.list());
  if (values.json) context.print(JSON.stringify(infos.map((info) => codec.encode(info))));
  else for (const line of toTable(keyHeader, infos.map(toKeyRow))) context.print(line);
  return 0;
}

async function rotateKey(words: readonly string[], context: CommandContext): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...words],
    options: { "overlap-hours": { type: "string" }, json },
    allowPositionals: true,
  });
  const [keyId, ...others] = positionals;
  if (keyId === undefined || others.length > 0) throw new UsageError("name one key id");
  const hours = readWhole("--overlap-hours", values["overlap-hours"], 720, 0);
  const overlapSeconds = hours === undefined ? undefined : hours * secondsPerHour;
  const rotated = await use(context, (operations) => operations.rotate(keyId, overlapSeconds));
  const { key, info, previous } = rotated;
  if (values.json) {
    const both = { info: codec.encode(info), previous: codec.encode(previous) };
    context.print(JSON.stringify({ key, ...both }));
  } else context.print(key);
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

/** In one step for a gateway that is alone; replicas need the staged key before any of them signs with it. */
async function rotateSigning(words: readonly string[], context: CommandContext): Promise<number> {
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({ args: [...words], options: { stage: flag, promote: flag } });
  const step = values.stage === values.promote ? "both" : values.stage ? "stage" : "promote";
  const kid = await context.rotateSigningKeys(step);
  context.print(
    step === "stage"
      ? `staged ${kid}: give every replica the file, then 'optamil keys rotate-signing --promote'`
      : `${kid} signs new keys; those that others signed go on`,
  );
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

/** Columns of keys. */
export const keyHeader = ["ID", "KEY", "STATE", "SCOPES", "NAME"];

/** A key as a row of them. */
export function toKeyRow({ id, lastFour, name, scopes, revokedAt, expiresAt }: Key): string[] {
  const state =
    revokedAt === undefined
      ? `until ${toDay(expiresAt)}`
      : `${revokedAt > unixSeconds() ? "ends" : "revoked"} ${toDay(revokedAt)}`;
  return [id, `...${lastFour}`, state, scopes.join(","), name];
}

function toDay(seconds: bigint): string {
  return new Date(Number(seconds) * 1000).toISOString().slice(0, 10);
}

function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** The limits among the words; undefined: there are none. */
function readLimits(values: Readonly<Record<string, unknown>>): KeyLimits | undefined {
  const given = limitWords.flatMap(([word, field]) => {
    const value = values[word];
    if (typeof value !== "string") return [];
    return [[field, readWhole(`--${word}`, value, 4_000_000_000)]];
  });
  return given.length > 0 ? create(KeyLimitsSchema, Object.fromEntries(given)) : undefined;
}

const limitWords = [
  ["requests-per-minute", "requestsPerMinute"],
  ["requests-per-day", "requestsPerDay"],
  ["tokens-per-minute", "tokensPerMinute"],
  ["concurrent", "concurrentRequests"],
] as const;

function readWhole(
  word: string,
  text: string | undefined,
  max: number,
  min = 1,
): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (/^\d{1,10}$/.test(text) && number >= min && number <= max) return number;
  throw new UsageError(`${word} takes a whole number from ${min} to ${max}`);
}
