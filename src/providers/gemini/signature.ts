// The signed thoughts behind a call of a function, which Gemini 3 wants back with it.
// Source: Gemini API reference, "Thought signatures"; in OpenAI's form as Google's compatible endpoint has them.
import type { JsonObject } from "../dialect.ts";
import { isString, toObject } from "../json-values.ts";
import { majorVersion } from "./major-version.ts";

/** Google's word for a call whose signature is not at hand: the client lost it, or another model made the call. */
const noSignature = "skip_thought_signature_validator";

/** The member of a tool call that carries the signature of its part; nothing if it has none. */
export function toExtraContent({ thoughtSignature: signature }: JsonObject): JsonObject {
  return isString(signature) ? { extra_content: { google: { thought_signature: signature } } } : {};
}

/** The member of a part that gives it back. Of calls at once only the first has one. */
export function toSignature(call: JsonObject, at: number, upstreamModel: string): JsonObject {
  const { thought_signature: signature } = toObject(toObject(call["extra_content"])["google"]);
  if (isString(signature)) return { thoughtSignature: signature };
  const isOwed = at === 0 && majorVersion(upstreamModel) >= 3;
  return isOwed ? { thoughtSignature: noSignature } : {};
}
