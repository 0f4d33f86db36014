// Blocks of thinking that a provider signed, as they ride in chat messages.
import type { JsonObject } from "@bufbuild/protobuf";
import { isJsonObject } from "../platform/json-path.ts";

/** The provider's own blocks of thinking in the undeclared keys of a message, where it gave some: they are signed. */
export function readThoughts(extra: JsonObject | undefined): JsonObject[] {
  return toThoughts(extra?.["thinking_blocks"]);
}

/** The blocks of thinking in a list; none in any other value. */
export function toThoughts(blocks: unknown): JsonObject[] {
  return Array.isArray(blocks) ? blocks.filter(isBlock) : [];
}

function isBlock(value: unknown): value is JsonObject {
  return isJsonObject(value) && String(value["type"]).endsWith("thinking");
}
