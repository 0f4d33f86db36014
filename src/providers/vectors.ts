// Vectors in the two forms in which clients ask for them, whatever an upstream sent.

import { Buffer } from "node:buffer";
import type { EmbedCall, Vector } from "./provider.ts";

const bytesPerNumber = 4;
/** Standard base64, padded (RFC 4648 §4). */
const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The form that a call asks for. Default: the numbers, as OpenAI's. */
export function formOf({ request }: Pick<EmbedCall, "request">): "float" | "base64" {
  return request.encodingFormat === "base64" ? "base64" : "float";
}

/** Numbers in a form. */
export function toVector(numbers: readonly number[], form: "float" | "base64"): Vector {
  if (form === "float") return numbers;
  const bytes = Buffer.allocUnsafe(numbers.length * bytesPerNumber);
  for (const [at, number] of numbers.entries()) bytes.writeFloatLE(number, at * bytesPerNumber);
  return bytes.toString("base64");
}

/** A vector as an upstream wrote it, in a form; undefined: it is none. */
export function readVector(value: unknown, form: "float" | "base64"): Vector | undefined {
  if (typeof value === "string") return readBase64(value, form);
  if (!Array.isArray(value) || value.length === 0) return undefined;
  return value.every(Number.isFinite) ? toVector(value, form) : undefined;
}

/** How many numbers a vector has. */
export function dimensionsOf(vector: Vector): number {
  if (typeof vector !== "string") return vector.length;
  return Buffer.byteLength(vector, "base64") / bytesPerNumber;
}

function readBase64(text: string, form: "float" | "base64"): Vector | undefined {
  if (text === "" || !base64Pattern.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  if (bytes.length % bytesPerNumber !== 0) return undefined;
  const count = bytes.length / bytesPerNumber;
  const numberAt = (at: number) => bytes.readFloatLE(at * bytesPerNumber);
  for (let at = 0; at < count; at += 1) if (!Number.isFinite(numberAt(at))) return undefined;
  return form === "base64" ? text : Array.from({ length: count }, (_, at) => numberAt(at));
}
