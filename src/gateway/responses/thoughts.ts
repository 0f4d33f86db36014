// What a provider signed of its reasoning, as the text that clients keep and send back unread.
import { Buffer } from "node:buffer";
import type { JsonObject } from "@bufbuild/protobuf";
import { toThoughts } from "../thinking-blocks.ts";

/** Tells our texts from those of other servers, and the form that they have. */
const prefix = "optamil.1.";

/** The text for blocks of thinking; undefined without any. */
export function sealThoughts(blocks: readonly JsonObject[]): string | undefined {
  if (blocks.length === 0) return undefined;
  return prefix + Buffer.from(JSON.stringify(blocks)).toString("base64url");
}

/** The blocks in a text; undefined if another server wrote it: nobody else can read that. */
export function unsealThoughts(text: string): JsonObject[] | undefined {
  if (!text.startsWith(prefix)) return undefined;
  try {
    return toThoughts(JSON.parse(Buffer.from(text.slice(prefix.length), "base64url").toString()));
  } catch {
    // Cut on its way.
    return undefined;
  }
}
