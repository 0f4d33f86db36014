// JSON Schemas of messages, by the options that also drive the codec.
//
// Source: JSON Schema 2020-12, which OpenAPI 3.1 uses.
import {
  type DescField,
  type DescMessage,
  getOption,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { message as messageRules } from "../gen/buf/validate/validate_pb.ts";
import { enumWords } from "../platform/json-scalars.ts";
import {
  extraField,
  fieldsByKey,
  jsonOptions,
  unionOf,
  wrappedList,
} from "../platform/json-shape.ts";
import { ruleKeywords } from "./openapi-rules.ts";

/** The schemas of a document: each message once, by its name. */
export type Schemas = {
  /** All schemas that were asked for so far. */
  readonly components: JsonObject;
  /** A reference to the schema of a message. */
  readonly refer: (message: DescMessage) => JsonObject;
  /** The schema of a field's value. */
  readonly field: (field: DescField) => JsonObject;
};

const knownSchemas: Readonly<Record<string, JsonObject>> = {
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.Value": {},
  "google.protobuf.ListValue": { type: "array" },
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  "google.protobuf.FieldMask": { type: "string" },
};

/** What is collected while schemas are asked for. */
type Collection = {
  readonly components: JsonObject;
  readonly owners: Map<string, DescMessage>;
  readonly read: ReadonlySet<DescMessage>;
};

/**
 * Schemas for messages of which `requests` and all below them are read, and the others only written. What is read
 * admits null for fields that may be absent, and refuses undeclared keys; what is written promises neither.
 */
export function createSchemas(requests: readonly DescMessage[]): Schemas {
  const read = new Set<DescMessage>();
  for (const request of requests) addAll(request, read);
  const collection: Collection = { components: {}, owners: new Map(), read };
  return {
    components: collection.components,
    refer: (message) => refer(collection, message),
    field: (field) => fieldSchema(collection, field),
  };
}

function refer(collection: Collection, message: DescMessage): JsonObject {
  const { name } = message;
  const { components, owners } = collection;
  const owner = owners.get(name);
  if (owner === undefined) {
    // Known before it is complete: a type may contain itself.
    owners.set(name, message);
    components[name] = {};
    components[name] = messageSchema(collection, message);
  } else if (owner !== message) {
    throw new Error(`${owner.typeName} and ${message.typeName} have the same schema name`);
  }
  return { $ref: `#/components/schemas/${name}` };
}

function messageSchema(collection: Collection, message: DescMessage): JsonObject {
  const isRead = collection.read.has(message);
  const union = unionOf(message);
  if (union !== undefined) {
    return {
      oneOf: union.fields.map((field) => fieldSchema(collection, wrappedList(field) ?? field)),
    };
  }
  const properties: JsonObject = {};
  const required: string[] = [];
  for (const [key, field] of fieldsByKey(message)) {
    const options = jsonOptions(field);
    const schema = fieldSchema(collection, field);
    const takesNull = options.nullable || (!options.required && isRead);
    properties[key] = takesNull ? orNull(schema) : schema;
    if (options.required) required.push(key);
  }
  const isOpen = extraField(message) !== undefined;
  const notes = getOption(message, messageRules).cel.map((rule) => rule.message);
  return {
    type: "object",
    ...(notes.length > 0 && { description: `Rules: ${notes.join("; ")}.` }),
    properties,
    ...(required.length > 0 && { required }),
    ...((isOpen || isRead) && { additionalProperties: isOpen }),
  };
}

function fieldSchema(collection: Collection, field: DescField): JsonObject {
  const { whole, item } = ruleKeywords(field);
  const single = singleSchema(collection, field);
  if (field.fieldKind === "list") return { type: "array", items: narrow(single, item), ...whole };
  if (field.fieldKind === "map") {
    return { type: "object", additionalProperties: narrow(single, item), ...whole };
  }
  return narrow(single, whole);
}

function singleSchema(collection: Collection, field: DescField): JsonObject {
  const isRead = collection.read.has(field.parent);
  if (field.enum !== undefined)
    return { type: "string", enum: [...enumWords(field.enum).values()] };
  if (field.message === undefined) {
    return scalarSchema(field.scalar, jsonOptions(field).scale, isRead);
  }
  const known = knownSchemas[field.message.typeName];
  if (known !== undefined) return known;
  if (isWrapperDesc(field.message)) {
    return scalarSchema(field.message.fields[0].scalar, 0, isRead);
  }
  return refer(collection, field.message);
}

/** A message and all messages below it. */
function addAll(message: DescMessage, found: Set<DescMessage>): void {
  if (found.has(message)) return;
  found.add(message);
  for (const field of message.fields) {
    if (field.message !== undefined) addAll(field.message, found);
  }
}

function scalarSchema(scalar: ScalarType, scale: number, isRead: boolean): JsonObject {
  switch (scalar) {
    case ScalarType.STRING:
      return { type: "string" };
    case ScalarType.BYTES:
      return { type: "string", contentEncoding: "base64" };
    case ScalarType.BOOL:
      return { type: "boolean" };
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return { type: "number" };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { type: "integer", minimum: 0, maximum: 4294967295 };
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { type: "integer", minimum: -2147483648, maximum: 2147483647 };
    default:
      return scale > 0 ? { type: "number" } : longSchema(scalar, isRead);
  }
}

/** 64-bit integers: numbers as far as they are safe; as text they are read, too. */
function longSchema(scalar: ScalarType, isRead: boolean): JsonObject {
  const unsigned = scalar === ScalarType.UINT64 || scalar === ScalarType.FIXED64;
  const number = {
    type: "integer",
    minimum: unsigned ? 0 : Number.MIN_SAFE_INTEGER,
    maximum: Number.MAX_SAFE_INTEGER,
  };
  if (!isRead) return number;
  const pattern = `^${unsigned ? "" : "-?"}(0|[1-9][0-9]{0,17})$`;
  return { anyOf: [number, { type: "string", pattern }] };
}

function orNull(schema: JsonObject): JsonObject {
  if (Object.keys(schema).length === 0) return schema;
  if (Array.isArray(schema["anyOf"])) return { anyOf: [...schema["anyOf"], { type: "null" }] };
  if (typeof schema["type"] === "string" && schema["enum"] === undefined) {
    return { ...schema, type: [schema["type"], "null"] };
  }
  return { anyOf: [schema, { type: "null" }] };
}

/** A schema with the keywords of rules over it; ranges of a number that may also be a text belong to the number. */
function narrow(schema: JsonObject, keywords: JsonObject): JsonObject {
  const [number, ...others] = Array.isArray(schema["anyOf"]) ? schema["anyOf"] : [];
  if (isObject(number)) return { anyOf: [{ ...number, ...keywords }, ...others] };
  return { ...schema, ...keywords };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
