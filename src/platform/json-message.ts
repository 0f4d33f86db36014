// The codec of one message type: objects field by field, unions by the JSON type of the value.
import {
  create,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { listCodec, mapCodec } from "./json-collections.ts";
import { isPlainJson, knownCodec, wrapperCodec } from "./json-known.ts";
import { isJsonObject, jsonTypeOf } from "./json-path.ts";
import { enumCodec, scalarCodec, type ValueCodec } from "./json-scalars.ts";
import { extraField, fieldsByKey, jsonOptions, unionOf, wrappedList } from "./json-shape.ts";
import type { Trail } from "./json-trail.ts";

/** One field of an object. */
type FieldPlan = {
  readonly key: string;
  /** Its property in the message; that of its oneof if it is in one. */
  readonly local: string;
  /** Its name in its oneof. */
  readonly oneofCase: string | undefined;
  readonly codec: ValueCodec;
  /** What the message holds while the field is not set. */
  readonly zero: unknown;
  /** It is a list, a map or bytes that are not set when they are empty. */
  readonly canBeEmpty: boolean;
  /** An absent key is a mistake. */
  readonly mustBeThere: boolean;
  readonly required: boolean;
  readonly nullable: boolean;
};

/** All that is known of an object before it is seen. */
type ObjectPlan = {
  readonly desc: DescMessage;
  readonly byKey: Map<string, FieldPlan>;
  readonly fields: FieldPlan[];
  readonly mustBeThere: FieldPlan[];
  /** Property of the Struct that keeps undeclared keys. */
  readonly extra: string | undefined;
};

const codecs = new WeakMap<DescMessage, ValueCodec>();

/** The codec of a message type. Its value is the message. */
export function messageCodec(desc: DescMessage): ValueCodec {
  const existing = codecs.get(desc);
  if (existing !== undefined) return existing;
  return unionOf(desc) === undefined ? objectCodec(desc) : unionCodec(desc);
}

function objectCodec(desc: DescMessage): ValueCodec {
  const plan: ObjectPlan = {
    desc,
    byKey: new Map(),
    fields: [],
    mustBeThere: [],
    extra: extraField(desc)?.localName,
  };
  const codec: ValueCodec = {
    jsonType: "an object",
    decode: (value, trail) => decodeObject(plan, value, trail),
    encode: (value, exact) => encodeObject(plan, value, exact),
  };
  // Known before its fields are, for a type may contain itself.
  codecs.set(desc, codec);
  for (const [key, field] of fieldsByKey(desc)) {
    const fieldPlan = planField(key, field);
    plan.byKey.set(key, fieldPlan);
    plan.fields.push(fieldPlan);
    if (fieldPlan.mustBeThere) plan.mustBeThere.push(fieldPlan);
  }
  return codec;
}

function planField(key: string, field: DescField): FieldPlan {
  const { required, nullable } = jsonOptions(field);
  const codec = fieldCodec(field);
  const knowsPresence = field.presence !== FeatureSet_FieldPresence.IMPLICIT;
  return {
    key,
    local: field.oneof?.localName ?? field.localName,
    oneofCase: field.oneof && field.localName,
    codec,
    zero: knowsPresence ? undefined : codec.zero,
    canBeEmpty:
      !knowsPresence && !(field.fieldKind === "scalar" && field.scalar !== ScalarType.BYTES),
    mustBeThere: required && !nullable,
    required,
    nullable,
  };
}

function fieldCodec(field: DescField): ValueCodec {
  if (field.fieldKind === "list") return listCodec(singleCodec(field));
  if (field.fieldKind === "map") return mapCodec(singleCodec(field), field.mapKey);
  return singleCodec(field);
}

/** The codec of a field's value, or of one item of its list or map. */
function singleCodec(field: DescField): ValueCodec {
  if (field.enum !== undefined) return enumCodec(field.enum);
  if (field.message === undefined) return scalarCodec(field.scalar, jsonOptions(field).scale);
  const bare = field.fieldKind === "message" && field.oneof === undefined;
  return (
    knownCodec(field.message) ?? wrapperCodec(field.message, bare) ?? messageCodec(field.message)
  );
}

function decodeObject(plan: ObjectPlan, value: unknown, trail: Trail): unknown {
  if (!isJsonObject(value)) return trail.refuse(`expected an object, got ${jsonTypeOf(value)}`);
  const message: Record<string, unknown> = create(plan.desc);
  let extra: Record<string, unknown> | undefined;
  let found = 0;
  for (const key of Object.keys(value)) {
    const field = plan.byKey.get(key);
    const inner = value[key];
    if (field === undefined) {
      if (plan.extra !== undefined && key !== "__proto__") {
        extra ??= {};
        extra[key] = inner;
      } else {
        refuseKey(key, trail);
      }
      continue;
    }
    if (field.mustBeThere) found++;
    else if (inner === null && field.codec.takesNull !== true) continue;
    trail.path.push(key);
    setField(message, field, field.codec.decode(inner, trail), trail);
    trail.path.pop();
  }
  if (found < plan.mustBeThere.length) refuseMissing(plan, value, trail);
  if (plan.extra !== undefined && extra !== undefined) message[plan.extra] = extra;
  return message;
}

function setField(
  message: Record<string, unknown>,
  field: FieldPlan,
  value: unknown,
  trail: Trail,
): void {
  if (value === undefined) return;
  if (field.oneofCase === undefined) {
    message[field.local] = value;
    return;
  }
  const chosen = message[field.local];
  if (isJsonObject(chosen) && chosen["case"] !== undefined) {
    trail.refuse(`only one of '${chosen["case"]}' and '${field.oneofCase}' can be set`);
  }
  message[field.local] = { case: field.oneofCase, value };
}

function refuseKey(key: string, trail: Trail): void {
  trail.path.push(key);
  trail.refuse(key === "__proto__" ? "this key is not allowed" : "unknown field");
  trail.path.pop();
}

function refuseMissing(plan: ObjectPlan, value: Record<string, unknown>, trail: Trail): void {
  for (const { key } of plan.mustBeThere) {
    if (Object.hasOwn(value, key)) continue;
    trail.path.push(key);
    trail.refuse("missing");
    trail.path.pop();
  }
}

function encodeObject(plan: ObjectPlan, message: unknown, exact: boolean): JsonObject | undefined {
  if (!isJsonObject(message)) return undefined;
  const object: JsonObject = {};
  for (const field of plan.fields) {
    const value = readField(message, field);
    if (value === undefined || value === field.zero || (field.canBeEmpty && isEmpty(value))) {
      if (field.required) object[field.key] = encodeZero(field, value, exact);
      continue;
    }
    const json = field.codec.encode(value, exact);
    if (json !== undefined) object[field.key] = json;
    else if (field.required) object[field.key] = null;
  }
  const extra = plan.extra === undefined ? undefined : message[plan.extra];
  if (isPlainJson(extra)) copyExtra(plan, extra, object);
  return object;
}

function readField(message: Record<string, unknown>, field: FieldPlan): unknown {
  const value = message[field.local];
  if (field.oneofCase === undefined) return value;
  return isJsonObject(value) && value["case"] === field.oneofCase ? value["value"] : undefined;
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length === 0;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

/** What stands for a required field that is not set: null where that is allowed, else its zero value. */
function encodeZero(field: FieldPlan, value: unknown, exact: boolean): JsonValue {
  if (field.nullable) return null;
  return field.codec.encode(value ?? field.codec.zero ?? {}, exact) ?? null;
}

/** Undeclared keys follow the declared ones, and never replace one: a gRPC client may have put anything there. */
function copyExtra(plan: ObjectPlan, extra: JsonObject, object: JsonObject): void {
  for (const key of Object.keys(extra)) {
    const value = extra[key];
    if (value === undefined || plan.byKey.has(key) || key === "__proto__") continue;
    object[key] = value;
  }
}

function unionCodec(desc: DescMessage): ValueCodec {
  const oneof = unionOf(desc);
  const local = oneof?.localName ?? "";
  const byType = new Map<string, { name: string; codec: ValueCodec }>();
  const byName = new Map<string, ValueCodec>();
  for (const field of oneof?.fields ?? []) {
    const codec = memberCodec(field);
    if (byType.has(codec.jsonType))
      throw new Error(`${desc.typeName}: two members take ${codec.jsonType}`);
    byType.set(codec.jsonType, { name: field.localName, codec });
    byName.set(field.localName, codec);
  }
  const expected = [...byType.keys()].join(" or ");
  const codec: ValueCodec = {
    jsonType: expected,
    decode(value, trail) {
      const member = byType.get(jsonTypeOf(value));
      if (member === undefined) {
        return trail.refuse(`expected ${expected}, got ${jsonTypeOf(value)}`);
      }
      const inner = member.codec.decode(value, trail);
      if (inner === undefined) return undefined;
      const message: Record<string, unknown> = create(desc);
      message[local] = { case: member.name, value: inner };
      return message;
    },
    encode(message, exact) {
      const chosen = isJsonObject(message) ? message[local] : undefined;
      if (!isJsonObject(chosen)) return undefined;
      return byName.get(String(chosen["case"]))?.encode(chosen["value"], exact);
    },
  };
  codecs.set(desc, codec);
  return codec;
}

/** The codec of a union's member: a message with nothing but `values` stands for an array. */
function memberCodec(field: DescField): ValueCodec {
  const list = wrappedList(field);
  if (list === undefined || field.message === undefined) return singleCodec(field);
  const wrapper = field.message;
  const items = listCodec(singleCodec(list));
  return {
    jsonType: "an array",
    decode(value, trail) {
      const message: Record<string, unknown> = create(wrapper);
      message[list.localName] = items.decode(value, trail);
      return message;
    },
    encode: (message, exact) =>
      isJsonObject(message) ? items.encode(message[list.localName], exact) : undefined,
  };
}
