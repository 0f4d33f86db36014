// JSON of single values that are no messages: texts, numbers, exact decimals, bytes, words of an enum.
import { type DescEnum, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { jsonTypeOf } from "./json-path.ts";
import type { Trail } from "./json-trail.ts";

declare global {
  interface JSON {
    /** Text that JSON.stringify writes as it is (ECMAScript proposal "JSON.parse source text access", V8 11.4). */
    rawJSON(text: string): { rawJSON: string };
  }
}

/** Reads and writes one kind of value. */
export type ValueCodec = {
  /** The JSON type that it reads, in words: `a string`. Tells the members of a union apart. */
  readonly jsonType: string;
  /** The value in the message; undefined after a mistake that was noted. Null is a mistake like any other. */
  readonly decode: (value: unknown, trail: Trail) => unknown;
  /**
   * The value in JSON; undefined if it is empty. With `exact` a number that no double holds is written out by
   * JSON.rawJSON, else it becomes a string.
   */
  readonly encode: (value: unknown, exact: boolean) => JsonValue | undefined;
  /** What an unset field holds that does not know presence. */
  readonly zero?: unknown;
  /** Null is a value of its own. */
  readonly takesNull?: boolean;
};

/** Digits that a decimal may have and surely be the same after a trip through a double (DBL_DIG). */
const doubleDigits = 15;
const decimalPlacesMax = 9;
const floatMax = 3.4028234663852886e38;

/** The codec of a scalar; `scale` is the number of decimal places of a 64-bit integer, 0 to 9. */
export function scalarCodec(scalar: ScalarType, scale = 0): ValueCodec {
  switch (scalar) {
    case ScalarType.STRING:
      return stringCodec;
    case ScalarType.BOOL:
      return boolCodec;
    case ScalarType.BYTES:
      return bytesCodec;
    case ScalarType.DOUBLE:
      return numberCodec("a number", (value) => Number.isFinite(value));
    case ScalarType.FLOAT:
      return numberCodec("a number", (value) => Math.abs(value) <= floatMax);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return integerCodec(0, 4294967295);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return integerCodec(-2147483648, 2147483647);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return bigintCodec(0n, 2n ** 64n - 1n, scale);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return bigintCodec(-(2n ** 63n), 2n ** 63n - 1n, scale);
  }
}

/** The codec of an enum: its words in lower case without the prefix. `unspecified` is read, but not offered. */
export function enumCodec(type: DescEnum): ValueCodec {
  const words = enumWords(type);
  const numbers = new Map([...words].map(([number, word]) => [word, number]));
  const offered = [...words.values()].filter((word) => word !== "unspecified").join(", ");
  return {
    jsonType: "a string",
    zero: type.values[0]?.number ?? 0,
    decode(value, trail) {
      const number = typeof value === "string" ? numbers.get(value) : undefined;
      return number ?? trail.refuse(`expected one of ${offered}, got ${show(value)}`);
    },
    // A number that this build does not know yet has no word.
    encode: (value) => words.get(Number(value)) ?? Number(value),
  };
}

/** The words of an enum by number. */
export function enumWords(type: DescEnum): ReadonlyMap<number, string> {
  const prefix = type.sharedPrefix?.length ?? 0;
  return new Map(type.values.map(({ name, number }) => [number, name.slice(prefix).toLowerCase()]));
}

const stringCodec: ValueCodec = {
  jsonType: "a string",
  zero: "",
  decode: (value, trail) =>
    typeof value === "string" ? value : wrongType("a string", value, trail),
  encode: String,
};

const boolCodec: ValueCodec = {
  jsonType: "a boolean",
  zero: false,
  decode: (value, trail) =>
    typeof value === "boolean" ? value : wrongType("a boolean", value, trail),
  encode: Boolean,
};

/** Base64 by RFC 4648: either alphabet is read, padded or not; the standard one is written. */
const bytesCodec: ValueCodec = {
  jsonType: "a string",
  zero: new Uint8Array(0),
  decode(value, trail) {
    if (typeof value !== "string") return wrongType("a base64 string", value, trail);
    try {
      return base64Decode(value);
    } catch {
      return trail.refuse("expected a base64 string");
    }
  },
  encode: (value) => (value instanceof Uint8Array ? base64Encode(value) : undefined),
};

function numberCodec(expected: string, isAllowed: (value: number) => boolean): ValueCodec {
  return {
    jsonType: "a number",
    zero: 0,
    decode(value, trail) {
      if (typeof value === "number" && isAllowed(value)) return value;
      return trail.refuse(`expected ${expected}, got ${show(value)}`);
    },
    encode: Number,
  };
}

function integerCodec(min: number, max: number): ValueCodec {
  const isAllowed = (value: number) => Number.isInteger(value) && value >= min && value <= max;
  return numberCodec(`a whole number from ${min} to ${max}`, isAllowed);
}

/** 64-bit integers: JSON numbers as far as they are safe, decimal strings beyond. */
function bigintCodec(min: bigint, max: bigint, scale: number): ValueCodec {
  if (scale > decimalPlacesMax) throw new Error(`a scale is at most ${decimalPlacesMax}`);
  const expected = scale === 0 ? "a whole number" : `a number with up to ${scale} decimal places`;
  return {
    jsonType: "a number",
    zero: 0n,
    decode(value, trail) {
      // What nearly every number is; the range is checked below.
      const isPlain = scale === 0 && typeof value === "number" && Number.isSafeInteger(value);
      const parsed = isPlain ? BigInt(value) : parseDecimal(value, scale);
      if (parsed === undefined) return trail.refuse(`expected ${expected}, got ${show(value)}`);
      if (parsed >= min && parsed <= max && isReliable(value)) return parsed;
      if (typeof value === "string") return trail.refuse(`${value} is out of range`);
      return trail.refuse("the number is too large to be exact: send it as a string");
    },
    encode: (value, exact) =>
      typeof value === "bigint" ? encodeDecimal(value, scale, exact) : undefined,
  };
}

function encodeDecimal(value: bigint, scale: number, exact: boolean): JsonValue {
  if (scale === 0) {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  const text = formatDecimal(value, scale);
  const number = Number(text);
  if (isReliable(number)) return number;
  return exact ? JSON.rawJSON(text) : text;
}

/** Whether a number is what its JSON text said: integers that are safe, decimals that have few digits. */
function isReliable(value: unknown): boolean {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return true;
  if (Number.isInteger(value)) return false;
  return String(value).replace(/^-?0?|\./g, "").length <= doubleDigits;
}

function parseDecimal(value: unknown, scale: number): bigint | undefined {
  if (typeof value !== "number" && typeof value !== "string") return undefined;
  const match = /^(-?)(0|[1-9]\d{0,19})(?:\.(\d+))?$/.exec(toPlainText(value, scale));
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = ""] = match;
  if (fraction.length > scale) return undefined;
  return BigInt(`${sign}${whole}${fraction.padEnd(scale, "0")}`);
}

/** Small numbers without their exponent. */
function toPlainText(value: number | string, scale: number): string {
  const text = String(value);
  if (typeof value === "string" || !text.includes("e-")) return text;
  const plain = value.toFixed(scale);
  return Number(plain) === value ? plain : text;
}

function formatDecimal(value: bigint, scale: number): string {
  const sign = value < 0n ? "-" : "";
  const digits = String(value < 0n ? -value : value).padStart(scale + 1, "0");
  const fraction = digits.slice(-scale).replace(/0+$/, "");
  return `${sign}${digits.slice(0, -scale)}${fraction === "" ? "" : `.${fraction}`}`;
}

function wrongType(expected: string, value: unknown, trail: Trail): undefined {
  return trail.refuse(`expected ${expected}, got ${jsonTypeOf(value)}`);
}

/** A value as it is told to its sender: numbers and short texts themselves, else the type. */
function show(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string" && value.length <= 32) return JSON.stringify(value);
  return jsonTypeOf(value);
}
