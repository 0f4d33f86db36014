// Reads from descriptors and our options how messages look in JSON: keys, unions, the sink of unknown keys.
import {
  type DescField,
  type DescMessage,
  type DescOneof,
  getOption,
  hasOption,
} from "@bufbuild/protobuf";
import {
  type FieldJson,
  field as fieldOption,
  JsonKeys,
  json_keys as keysOption,
  message as messageOption,
} from "../gen/optamil/options/v1/options_pb.ts";

/** A repeated field: a field that is a list. */
export type DescList = DescField & { readonly fieldKind: "list" };

/** The JSON key of a field: its `name` option, else its proto name or, by file option, that in camel case. */
export function jsonKey(field: DescField): string {
  const { name } = jsonOptions(field);
  if (name !== "") return name;
  const keys = hasOption(field.parent.file, keysOption)
    ? getOption(field.parent.file, keysOption)
    : JsonKeys.UNSPECIFIED;
  return keys === JsonKeys.CAMEL_CASE ? field.jsonName : field.name;
}

/** The options of a field; without any, all are zero. */
export function jsonOptions(field: DescField): FieldJson {
  return getOption(field, fieldOption);
}

/** The oneof of a message that is written without a tag; undefined if it has a tag as usual. */
export function unionOf(message: DescMessage): DescOneof | undefined {
  if (!getOption(message, messageOption).untagged) return undefined;
  const [oneof] = message.oneofs;
  if (oneof !== undefined && oneof.fields.length === message.fields.length) return oneof;
  throw new Error(`${message.typeName} is untagged: it must be one oneof and nothing else`);
}

/** The one repeated field `values` of a message that stands for an array in a union. */
export function wrappedList(field: DescField): DescList | undefined {
  if (field.fieldKind !== "message" || field.message.fields.length !== 1) return undefined;
  const [values] = field.message.fields;
  return values?.fieldKind === "list" && values.name === "values" ? values : undefined;
}

/** The Struct field that keeps undeclared keys; undefined if the message refuses them. */
export function extraField(message: DescMessage): DescField | undefined {
  const { extra } = getOption(message, messageOption);
  if (extra === "") return undefined;
  const field = message.fields.find(({ name }) => name === extra);
  if (field?.message?.typeName === "google.protobuf.Struct" && field.fieldKind === "message") {
    return field;
  }
  throw new Error(`${message.typeName}.${extra}, named by 'extra', is no google.protobuf.Struct`);
}

const known = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The fields that have a key of their own, by that key: worked out once for each message. */
export function fieldsByKey(message: DescMessage): ReadonlyMap<string, DescField> {
  const found = known.get(message) ?? toFieldsByKey(message);
  known.set(message, found);
  return found;
}

function toFieldsByKey(message: DescMessage): ReadonlyMap<string, DescField> {
  const extra = extraField(message);
  const fields = new Map<string, DescField>();
  for (const field of message.fields) {
    if (field === extra) continue;
    const key = jsonKey(field);
    if (fields.has(key) || key === "__proto__") {
      throw new Error(`${message.typeName}.${field.name} cannot have the JSON key '${key}'`);
    }
    fields.set(key, field);
  }
  return fields;
}
