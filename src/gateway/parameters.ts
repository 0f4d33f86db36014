// Which fields a path or a query can set, and what their texts are in JSON.
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { fieldsByKey, jsonKey } from "../platform/json-shape.ts";

/** A field that a path variable or a query parameter sets. */
export type Parameter = {
  /** JSON keys from the request down to the field. */
  readonly keys: readonly string[];
  readonly field: DescField;
};

/** Well-known messages whose JSON is a text. */
const textMessages = [
  "google.protobuf.Timestamp",
  "google.protobuf.Duration",
  "google.protobuf.FieldMask",
];

/** The parameter with a path of proto names (`key.id`), as templates have it. Throws an Error. */
export function pathParameter(message: DescMessage, path: string): Parameter {
  const parameter = find(message, path, (type) => new Map(type.fields.map((f) => [f.name, f])));
  if (parameter === undefined) throw new Error(`${message.typeName} has no field '${path}'`);
  const { field } = parameter;
  if (!isText(field) || field.fieldKind === "list") {
    throw new Error(`${message.typeName}.${path} cannot be set by a path`);
  }
  return parameter;
}

/** The parameter with a path of JSON keys, as queries have it; undefined if there is none. */
export function queryParameter(message: DescMessage, path: string): Parameter | undefined {
  return find(message, path, fieldsByKey);
}

/** Whether a field, or each item of a repeated one, can be written as a text without structure. */
export function isText(field: DescField): boolean {
  if (field.fieldKind === "map") return false;
  if (field.message === undefined) return true;
  return isWrapperDesc(field.message) || textMessages.includes(field.message.typeName);
}

/**
 * The JSON value of a parameter's text. What is no number or truth value stays a text, which the codec then
 * refuses in its own words.
 */
export function textToJson(field: DescField, text: string): string | number | boolean {
  const wrapped = field.message && isWrapperDesc(field.message) ? field.message.fields[0] : field;
  switch (wrapped.scalar) {
    case ScalarType.BOOL:
      return text === "true" || (text === "false" ? false : text);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? Number(text) : text;
    default:
      // Texts, bytes and words are JSON strings; 64-bit integers may be.
      return text;
  }
}

function find(
  message: DescMessage,
  path: string,
  fieldsOf: (message: DescMessage) => ReadonlyMap<string, DescField>,
): Parameter | undefined {
  const keys: string[] = [];
  let type: DescMessage | undefined = message;
  let field: DescField | undefined;
  for (const name of path.split(".")) {
    // Only what lies in a singular message has one place.
    field = type && fieldsOf(type).get(name);
    if (field === undefined) return undefined;
    keys.push(jsonKey(field));
    type = field.fieldKind === "message" && !isText(field) ? field.message : undefined;
  }
  return field && { keys, field };
}
