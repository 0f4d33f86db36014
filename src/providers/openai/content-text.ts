// Text of a content that came as a string or as parts.

import { isObject, isString } from "../json-values.ts";

/** The text; parts without text (such as Mistral's thinking parts) add none. Undefined if there is no content. */
export function toContentText(content: unknown): string | undefined {
  if (isString(content)) return content;
  if (!Array.isArray(content)) return undefined;
  const texts = content.map((part: unknown) => (isObject(part) ? part["text"] : part));
  return texts.filter(isString).join("");
}
