// JSON of repeated fields and maps.
import { type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { isJsonObject, jsonTypeOf } from "./json-path.ts";
import { scalarCodec, type ValueCodec } from "./json-scalars.ts";
import { Trail } from "./json-trail.ts";

/** The codec of a list. Null is no item. */
export function listCodec(item: ValueCodec): ValueCodec {
  return {
    jsonType: "an array",
    decode(value, trail) {
      if (!Array.isArray(value)) return trail.refuse(`expected an array, got ${jsonTypeOf(value)}`);
      const list: unknown[] = [];
      for (let index = 0; index < value.length; index++) {
        trail.path.push(index);
        const decoded = item.decode(value[index], trail);
        if (decoded !== undefined) list.push(decoded);
        trail.path.pop();
      }
      return list;
    },
    encode(value, exact) {
      const list: JsonValue[] = [];
      if (Array.isArray(value)) {
        for (const one of value) list.push(item.encode(one, exact) ?? null);
      }
      return list;
    },
  };
}

/** The codec of a map. Keys are strings in JSON, whatever they are in proto. */
export function mapCodec(item: ValueCodec, keyType: ScalarType): ValueCodec {
  const isKey = keyCheck(keyType);
  return {
    jsonType: "an object",
    decode(value, trail) {
      if (!isJsonObject(value)) return trail.refuse(`expected an object, got ${jsonTypeOf(value)}`);
      const map: Record<string, unknown> = {};
      for (const key of Object.keys(value)) {
        trail.path.push(key);
        if (!isKey(key)) trail.refuse("this key is not allowed");
        else {
          const decoded = item.decode(value[key], trail);
          if (decoded !== undefined) map[key] = decoded;
        }
        trail.path.pop();
      }
      return map;
    },
    encode(value, exact) {
      const object: JsonObject = {};
      if (!isJsonObject(value)) return object;
      for (const key of Object.keys(value)) {
        if (key !== "__proto__") object[key] = item.encode(value[key], exact) ?? null;
      }
      return object;
    },
  };
}

function keyCheck(type: ScalarType): (key: string) => boolean {
  if (type === ScalarType.STRING) return (key) => key !== "__proto__";
  if (type === ScalarType.BOOL) return (key) => key === "true" || key === "false";
  const codec = scalarCodec(type);
  return (key) => {
    if (!/^-?(0|[1-9]\d{0,19})$/.test(key)) return false;
    const is64 = typeof codec.zero === "bigint";
    const problems: { path: string; message: string }[] = [];
    codec.decode(is64 ? key : Number(key), new Trail("", problems));
    return problems.length === 0;
  };
}
