// Whether a JSON value keeps to a JSON schema, in bounded time.
// Source: JSON Schema 2020-12, the keywords of OpenAI's structured outputs. `pattern` and `format` are annotations here:
// expressions of strangers can take for ever.

import { isObject } from "../providers/json-values.ts";

type Schema = Readonly<Record<string, unknown>>;

/** Schemas that a value is held against, at most: references can branch without end. */
const stepsMax = 100_000;

/** Whether a value conforms to a schema; also true where that takes too long to say. */
export function conforms(value: unknown, schema: unknown): boolean {
  try {
    return new Judge(schema).accepts(value, schema);
  } catch (error) {
    if (error instanceof TooLong || error instanceof RangeError) return true;
    throw error;
  }
}

class TooLong extends Error {}

class Judge {
  readonly #root: unknown;
  #steps = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  accepts(value: unknown, schema: unknown): boolean {
    this.#steps += 1;
    if (this.#steps > stepsMax) throw new TooLong();
    if (typeof schema === "boolean") return schema;
    if (!isObject(schema)) return true;
    const { $ref: reference } = schema;
    return (
      (typeof reference !== "string" || this.accepts(value, this.#find(reference))) &&
      isOfType(value, schema["type"]) &&
      isOneOf(value, schema) &&
      this.#acceptsBranches(value, schema) &&
      (typeof value !== "number" || isInRange(value, schema)) &&
      (typeof value !== "string" ||
        isWithin([...value].length, schema, "minLength", "maxLength")) &&
      (!Array.isArray(value) || this.#acceptsItems(value, schema)) &&
      (!isObject(value) || this.#acceptsMembers(value, schema))
    );
  }

  #acceptsBranches(value: unknown, { anyOf, oneOf, allOf, not }: Schema): boolean {
    const accepts = (schema: unknown) => this.accepts(value, schema);
    return (
      (!Array.isArray(anyOf) || anyOf.some(accepts)) &&
      (!Array.isArray(oneOf) || oneOf.filter(accepts).length === 1) &&
      (!Array.isArray(allOf) || allOf.every(accepts)) &&
      (not === undefined || !accepts(not))
    );
  }

  #acceptsItems(values: readonly unknown[], schema: Schema): boolean {
    const first = Array.isArray(schema["prefixItems"]) ? schema["prefixItems"] : [];
    return (
      isWithin(values.length, schema, "minItems", "maxItems") &&
      values.every((value, at) => this.accepts(value, first[at] ?? schema["items"]))
    );
  }

  #acceptsMembers(value: Schema, schema: Schema): boolean {
    const { required, additionalProperties } = schema;
    const properties = isObject(schema["properties"]) ? schema["properties"] : {};
    const names: readonly unknown[] = Array.isArray(required) ? required : [];
    return (
      names.every((name) => Object.hasOwn(value, String(name))) &&
      isWithin(Object.keys(value).length, schema, "minProperties", "maxProperties") &&
      Object.entries(value).every(([name, member]) =>
        this.accepts(
          member,
          Object.hasOwn(properties, name) ? properties[name] : additionalProperties,
        ),
      )
    );
  }

  /** What a pointer within the document leads to; everything else is taken as it comes. */
  #find(reference: string): unknown {
    if (!reference.startsWith("#")) return true;
    let place: unknown = this.#root;
    for (const step of reference.slice(1).split("/").slice(1)) {
      const name = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
      if (typeof place !== "object" || place === null || !Object.hasOwn(place, name)) return true;
      place = Reflect.get(place, name);
    }
    return place;
  }
}

function isOfType(value: unknown, type: unknown): boolean {
  if (Array.isArray(type)) return type.some((one) => isOfType(value, one));
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return isObject(value);
    case "integer":
      return Number.isInteger(value);
    case "string":
    case "number":
    case "boolean":
      return typeof value === type;
    default:
      return true;
  }
}

function isOneOf(value: unknown, schema: Schema): boolean {
  const text = JSON.stringify(value);
  const { enum: choices } = schema;
  return (
    (!Array.isArray(choices) || choices.some((choice) => JSON.stringify(choice) === text)) &&
    (!Object.hasOwn(schema, "const") || JSON.stringify(schema["const"]) === text)
  );
}

function isInRange(value: number, schema: Schema): boolean {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  return (
    (typeof minimum !== "number" || value >= minimum) &&
    (typeof maximum !== "number" || value <= maximum) &&
    (typeof exclusiveMinimum !== "number" || value > exclusiveMinimum) &&
    (typeof exclusiveMaximum !== "number" || value < exclusiveMaximum) &&
    (typeof multipleOf !== "number" || Number.isInteger(value / multipleOf))
  );
}

function isWithin(count: number, schema: Schema, least: string, most: string): boolean {
  const [min, max] = [schema[least], schema[most]];
  return (typeof min !== "number" || count >= min) && (typeof max !== "number" || count <= max);
}
