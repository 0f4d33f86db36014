// What a change did to an account or key, field by field, for people who ask who did what.
import {
  create,
  type DescMessage,
  type JsonValue,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import {
  AccountStateSchema,
  type ChangedField,
  ChangedFieldSchema,
  type ChangeEntry,
  ChangeEntrySchema,
  type DirectoryRecord,
  KeyStateSchema,
} from "../gen/optamil/v1/directory_pb.ts";
import type { DirectoryView, StateWrite } from "./fold.ts";

type Action = NonNullable<DirectoryRecord["change"]["case"]>;

const actions: Readonly<Record<Action, string>> = {
  accountContentChanged: "account.content_changed",
  accountCreated: "account.created",
  accountPlanChanged: "account.plan_changed",
  accountRoutingChanged: "account.routing_changed",
  budgetChanged: "budget.changed",
  creditsGranted: "credits.granted",
  keyCreated: "key.created",
  keyRevoked: "key.revoked",
};

/** What says nothing to people, or only which row it is. */
const unlisted: ReadonlySet<string> = new Set(["id", "version", "created_at_us"]);
/** Of a secret it is only said that there is one. */
const secrets: ReadonlySet<string> = new Set(["password_hash"]);

/** The entry of an accepted record: undefined where it wrote neither an account nor a key. */
export function toChangeEntry(
  { recordId, writtenAtUs, actor, change }: DirectoryRecord,
  writes: readonly StateWrite[],
  before: DirectoryView,
): ChangeEntry | undefined {
  const write = writes.find(({ kind }) => kind === "account" || kind === "key");
  if (write === undefined || change.case === undefined) return undefined;
  const entry = create(ChangeEntrySchema, {
    recordId,
    writtenAtUs,
    actor,
    action: actions[change.case],
  });
  if (write.kind === "account") {
    const { account } = write;
    entry.accountId = account.id;
    entry.fields = diff(AccountStateSchema, before.account(account.id), account);
  } else if (write.kind === "key") {
    const { key } = write;
    entry.accountId = key.accountId;
    entry.keyId = key.id;
    entry.fields = diff(KeyStateSchema, before.key(key.id), key);
  }
  return entry;
}

function diff<Desc extends DescMessage>(
  schema: Desc,
  before: MessageShape<Desc> | undefined,
  after: MessageShape<Desc>,
): ChangedField[] {
  const old = before === undefined ? new Map<string, string>() : toTexts(schema, before);
  const young = toTexts(schema, after);
  return [...new Set([...young.keys(), ...old.keys()])].flatMap((name) => {
    const [one, other] = [old.get(name), young.get(name)];
    if (one === other || unlisted.has(name)) return [];
    return create(ChangedFieldSchema, {
      field: name,
      ...(one !== undefined && { before: secrets.has(name) ? "(set)" : one }),
      ...(other !== undefined && { after: secrets.has(name) ? "(set)" : other }),
    });
  });
}

/** The fields that are there, by name: texts and numbers as they are, each entry of a map, all else as JSON. */
function toTexts<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): ReadonlyMap<string, string> {
  const json = toJson(schema, message, { useProtoFieldName: true });
  if (typeof json !== "object" || json === null || Array.isArray(json)) return new Map();
  const maps = new Set(
    schema.fields.filter((one) => one.fieldKind === "map").map(({ name }) => name),
  );
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(json)) {
    if (!maps.has(name)) texts.set(name, toText(value));
    else
      for (const [key, entry] of Object.entries(value ?? {}))
        texts.set(`${name}[${key}]`, toText(entry));
  }
  return texts;
}

function toText(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
