// What response_format asks of an answer, and how an answer that nearly keeps to it is mended.
import { jsonrepair } from "jsonrepair";
import type { CreateChatCompletionRequest } from "../gen/optamil/v1/chat_pb.ts";
import { conforms } from "./conforms.ts";

/** The form of an answer: a JSON object, or JSON that keeps to a schema. */
export type JsonForm = { readonly schema: unknown };

/** Any object. */
const anyObject = { type: "object" };
/** Longer texts are checked, but not mended. */
const mendedCharactersMax = 1_000_000;

/** The form that a request asks for; undefined: any text will do. */
export function jsonFormOf({ responseFormat }: CreateChatCompletionRequest): JsonForm | undefined {
  if (responseFormat?.type === "json_object") return { schema: anyObject };
  if (responseFormat?.type !== "json_schema") return undefined;
  return { schema: responseFormat.jsonSchema?.schema ?? true };
}

/**
 * A text that has the form: the same, or what is in it without fences, prose around it and slips of the pen such as
 * trailing commas; undefined if there is none.
 */
export function mendJson(text: string, form: JsonForm): string | undefined {
  if (keeps(text, form)) return text;
  if (text.length > mendedCharactersMax) return undefined;
  const inner = withoutSurroundings(text);
  if (keeps(inner, form)) return inner;
  try {
    const repaired = jsonrepair(inner);
    return keeps(repaired, form) ? repaired : undefined;
  } catch {
    // Beyond repair.
    return undefined;
  }
}

function keeps(text: string, { schema }: JsonForm): boolean {
  try {
    return conforms(JSON.parse(text), schema);
  } catch (error) {
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** From the first bracket to its last counterpart. */
function withoutSurroundings(text: string): string {
  const start = text.search(/[{[]/);
  if (start < 0) return text;
  const end = text.lastIndexOf(text[start] === "{" ? "}" : "]");
  return end < start ? text.slice(start) : text.slice(start, end + 1);
}
