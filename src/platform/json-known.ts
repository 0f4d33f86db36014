// JSON of the well-known message types, which have a form of their own (protobuf.dev, "ProtoJSON format").
import {
  type DescMessage,
  fromJson,
  isMessage,
  type JsonObject,
  type JsonValue,
  toJson,
} from "@bufbuild/protobuf";
import {
  isWrapperDesc,
  ListValueSchema,
  StructSchema,
  TimestampSchema,
  ValueSchema,
} from "@bufbuild/protobuf/wkt";
import { isJsonObject, jsonTypeOf } from "./json-path.ts";
import { scalarCodec, type ValueCodec } from "./json-scalars.ts";

/** The codec of a well-known type; undefined for other messages. Wrappers: see `wrapperCodec`. */
export function knownCodec(message: DescMessage): ValueCodec | undefined {
  switch (message.typeName) {
    case StructSchema.typeName:
      return structCodec;
    case ValueSchema.typeName:
      return { ...protobufCodec(message, "any value", "a value"), takesNull: true };
    case ListValueSchema.typeName:
      return protobufCodec(message, "an array", "an array");
    case TimestampSchema.typeName:
      return protobufCodec(message, "a string", "an RFC 3339 time such as 2026-01-31T12:00:00Z");
    case "google.protobuf.Duration":
      return protobufCodec(message, "a string", "a number of seconds such as 1.5s");
    case "google.protobuf.FieldMask":
      return protobufCodec(message, "a string", "field names with commas between them");
    case "google.protobuf.Any":
      throw new Error("google.protobuf.Any has no JSON form here");
    default:
      return undefined;
  }
}

/**
 * The codec of a wrapper such as google.protobuf.UInt32Value; undefined for other messages. Singular fields hold
 * the bare value; lists, maps and oneofs hold a message, so that `bare` is false there.
 */
export function wrapperCodec(message: DescMessage, bare: boolean): ValueCodec | undefined {
  if (!isWrapperDesc(message)) return undefined;
  const inner = scalarCodec(message.fields[0].scalar);
  if (bare) return { ...inner, zero: undefined };
  return {
    jsonType: inner.jsonType,
    decode(value, trail) {
      const decoded = inner.decode(value, trail);
      return decoded === undefined ? undefined : { $typeName: message.typeName, value: decoded };
    },
    encode: (value, exact) =>
      inner.encode(isJsonObject(value) ? (value["value"] ?? inner.zero) : inner.zero, exact),
  };
}

/** protobuf-es keeps a Struct as the plain object that it is, so that nothing has to be converted. */
const structCodec: ValueCodec = {
  jsonType: "an object",
  decode: (value, trail) =>
    isJsonObject(value) ? value : trail.refuse(`expected an object, got ${jsonTypeOf(value)}`),
  encode: (value) => (isPlainJson(value) ? value : undefined),
};

function protobufCodec(schema: DescMessage, jsonType: string, expected: string): ValueCodec {
  return {
    jsonType,
    decode(value, trail) {
      const type = jsonTypeOf(value);
      if (!isJson(value) || (jsonType !== "any value" && jsonType !== type)) {
        return trail.refuse(`expected ${expected}, got ${type}`);
      }
      try {
        return fromJson(schema, value);
      } catch {
        return trail.refuse(`expected ${expected}`);
      }
    },
    encode: (value) => (isMessage(value) ? toJson(schema, value) : undefined),
  };
}

/** Whether a value is a Struct. What is asked comes from JSON.parse or a message: the first level tells enough. */
export function isPlainJson(value: unknown): value is JsonObject {
  return isJsonObject(value);
}

// As above.
function isJson(value: unknown): value is JsonValue {
  return value !== undefined && typeof value !== "bigint" && typeof value !== "function";
}
