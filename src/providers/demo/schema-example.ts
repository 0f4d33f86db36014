// Makes a value that conforms to a JSON schema. Source: JSON Schema draft 2020-12, the usual keywords.

import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

/** Deepest nesting of an example; below it, optional members are left out. */
const depthMax = 8;
/** Most schemas visited for one example: a schema that refers to itself twice grows without end. */
const visitsMax = 2_000;
/** Most items or characters made because a minimum asks for them. */
const sizeMax = 1_000;

const formats: Readonly<Record<string, string>> = {
  "date-time": "2026-01-01T00:00:00Z",
  date: "2026-01-01",
  time: "00:00:00Z",
  duration: "PT1S",
  email: "demo@example.com",
  hostname: "example.com",
  ipv4: "192.0.2.1",
  ipv6: "2001:db8::1",
  uuid: "00000000-0000-4000-8000-000000000000",
  uri: "https://example.com/",
};

type Walk = { readonly root: JsonObject; visits: number };

/**
 * An example of the schema: constants and the first of each choice, else the word "demo", 0, true, and all
 * members of objects. Knows const, enum, default, examples, type, $ref within the document, anyOf, oneOf,
 * allOf, properties, required, items, prefixItems, and the bounds of numbers, strings and arrays;
 * `pattern`, `not` and conditions are not followed.
 */
export function toSchemaExample(schema: JsonObject): JsonValue {
  return toExample(schema, { root: schema, visits: 0 }, 0);
}

function toExample(given: JsonValue | undefined, walk: Walk, depth: number): JsonValue {
  walk.visits += 1;
  // A schema may also be `true`: anything goes.
  if (!isObject(given) || walk.visits > visitsMax || depth > depthMax * 4) return null;
  const schema = flatten(given, walk, 0);
  const { const: constant, enum: values, examples } = schema;
  if (constant !== undefined) return constant;
  for (const list of [values, examples]) {
    if (Array.isArray(list) && list[0] !== undefined) return list[0];
  }
  if (schema["default"] !== undefined) return schema["default"];
  return toTyped(schema, walk, depth);
}

function toTyped(schema: JsonObject, walk: Walk, depth: number): JsonValue {
  switch (typeOf(schema)) {
    case "object":
      return toObject(schema, walk, depth);
    case "array":
      return toArray(schema, walk, depth);
    case "integer":
      return toNumber(schema, 1);
    case "number":
      return toNumber(schema, 0);
    case "boolean":
      return true;
    case "string":
      return toText(schema);
    default:
      return null;
  }
}

/** The schema with its `$ref`, the first branch of anyOf and oneOf and all of allOf laid into it. */
function flatten(schema: JsonObject, walk: Walk, hops: number): JsonObject {
  const { $ref: reference, anyOf, oneOf, allOf, ...own } = schema;
  const branches: JsonValue[] = Array.isArray(allOf) ? [...allOf] : [];
  for (const choices of [anyOf, oneOf]) {
    if (Array.isArray(choices) && choices[0] !== undefined) branches.push(choices[0]);
  }
  if (typeof reference === "string") branches.push(resolve(reference, walk.root));
  let flat = own;
  for (const branch of branches) {
    walk.visits += 1;
    if (!isObject(branch) || hops > depthMax || walk.visits > visitsMax) continue;
    const { properties, required, ...others } = flatten(branch, walk, hops + 1);
    flat = { ...others, ...flat };
    if (isObject(properties)) flat["properties"] = { ...properties, ...toMembers(flat) };
    if (Array.isArray(required)) flat["required"] = [...required, ...toRequired(flat)];
  }
  return flat;
}

function resolve(reference: string, root: JsonObject): JsonValue {
  let at: JsonValue = root;
  for (const step of reference.replace(/^#\/?/, "").split("/")) {
    const name = step.replaceAll("~1", "/").replaceAll("~0", "~");
    if (name === "") continue;
    if (!isObject(at)) return null;
    at = Object.hasOwn(at, name) ? (at[name] ?? null) : null;
  }
  return at;
}

function typeOf(schema: JsonObject): string | undefined {
  const { type } = schema;
  if (typeof type === "string") return type;
  if (Array.isArray(type)) {
    const names = type.filter((name) => typeof name === "string");
    return names.find((name) => name !== "null") ?? names[0];
  }
  if (schema["properties"] !== undefined) return "object";
  if (schema["items"] !== undefined || schema["prefixItems"] !== undefined) return "array";
  return undefined;
}

function toObject(schema: JsonObject, walk: Walk, depth: number): JsonObject {
  const required = new Set(toRequired(schema));
  const object: JsonObject = {};
  for (const [name, member] of Object.entries(toMembers(schema))) {
    if (depth >= depthMax && !required.has(name)) continue;
    object[name] = toExample(member, walk, depth + 1);
  }
  for (const name of required) {
    if (!Object.hasOwn(object, name)) object[name] = "demo";
  }
  return object;
}

function toArray(schema: JsonObject, walk: Walk, depth: number): JsonValue[] {
  const { prefixItems, items } = schema;
  const first = Array.isArray(prefixItems) ? prefixItems : [];
  const most = Math.min(toInteger(schema["maxItems"]) ?? sizeMax, sizeMax);
  const least = Math.min(toInteger(schema["minItems"]) ?? (depth < depthMax ? 1 : 0), most);
  const array: JsonValue[] = [];
  for (const item of first) array.push(toExample(item, walk, depth + 1));
  while (items !== false && array.length < least) {
    const value = toExample(items, walk, depth + 1);
    array.push(schema["uniqueItems"] === true ? toDistinct(value, array.length) : value);
  }
  return array;
}

/** Unlike its neighbours, as far as its type allows it. */
function toDistinct(value: JsonValue, place: number): JsonValue {
  if (place === 0) return value;
  if (typeof value === "number") return value + place;
  return typeof value === "string" ? `${value}${place}` : value;
}

function toNumber(schema: JsonObject, integerStep: 0 | 1): number {
  const step = toFinite(schema["multipleOf"]) ?? integerStep;
  const above = toFinite(schema["exclusiveMinimum"]);
  const below = toFinite(schema["exclusiveMaximum"]);
  const least = above === undefined ? toFinite(schema["minimum"]) : above + (step || 1e-6);
  const most = below === undefined ? toFinite(schema["maximum"]) : below - (step || 1e-6);
  const wanted = Math.min(Math.max(0, least ?? 0), most ?? Number.POSITIVE_INFINITY);
  if (step <= 0) return wanted;
  const steps = wanted > 0 ? Math.ceil(wanted / step) : Math.floor(wanted / step);
  const stepped = steps * step;
  return most !== undefined && stepped > most ? Math.floor(most / step) * step : stepped;
}

function toText(schema: JsonObject): string {
  const { format } = schema;
  const sample = typeof format === "string" ? (formats[format] ?? "demo") : "demo";
  const least = Math.min(toInteger(schema["minLength"]) ?? 0, sizeMax);
  const most = toInteger(schema["maxLength"]) ?? sizeMax;
  return sample.padEnd(least, "demo").slice(0, most);
}

function toMembers(schema: JsonObject): JsonObject {
  return isObject(schema["properties"]) ? schema["properties"] : {};
}

function toRequired(schema: JsonObject): string[] {
  const { required } = schema;
  return Array.isArray(required) ? required.filter((name) => typeof name === "string") : [];
}

function toInteger(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined;
}

function toFinite(value: JsonValue | undefined): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
