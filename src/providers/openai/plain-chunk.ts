// Reads a chunk of a verbatim relay, and tells whether it keeps to OpenAI's form.

import type { Buffer } from "node:buffer";
import { type JsonBody, parseJsonBody } from "../../platform/json-body.ts";
import { isObject, isString } from "../json-values.ts";
import { isFinishReason } from "./finish-reason.ts";

/** What a relay needs to know of a chunk. */
export type PlainChunk = {
  readonly id: string;
  readonly created: number;
  /** The provider's name for the model, and where its member stands in the JSON. */
  readonly model: string;
  readonly modelStart: number;
  readonly modelEnd: number;
  /** Whether the choice ends with it. */
  readonly isFinish: boolean;
  /** Usage of a chunk that has nothing else; undefined for a chunk with a choice. */
  readonly usage: unknown;
};

/**
 * The chunk, if a client may have it as it is; undefined if it has to be mended, or is an error.
 *
 * Source: OpenAI API reference, the chunk object: one choice with index 0, the role in the first delta
 * only, nulls in the first delta only, a known finish_reason, usage in a chunk without choices.
 */
export function readPlainChunk(json: Buffer, isFirst: boolean): PlainChunk | undefined {
  const body = parseOrUndefined(json);
  if (body === undefined) return undefined;
  const { id, created, model, object, choices, usage = null, error = null } = body.value;
  const place = findModelMember(body, json);
  if (object !== "chat.completion.chunk" || error !== null || place === undefined) return undefined;
  if (!isString(id) || id === "" || !isInteger(created) || !isString(model)) return undefined;
  const frame = { id, created, model, modelStart: place.start, modelEnd: place.end };
  if (!Array.isArray(choices)) return undefined;
  if (usage !== null) {
    const isReport = choices.length === 0 && isObject(usage) && !isFirst;
    return isReport ? { ...frame, isFinish: false, usage } : undefined;
  }
  const [choice]: unknown[] = choices;
  if (choices.length !== 1 || !isObject(choice) || choice["index"] !== 0) return undefined;
  const reason = choice["finish_reason"] ?? undefined;
  if (reason !== undefined && !isFinishReason(reason)) return undefined;
  if (!isPlainDelta(choice["delta"], isFirst)) return undefined;
  return { ...frame, isFinish: reason !== undefined, usage: undefined };
}

function isPlainDelta(delta: unknown, isFirst: boolean): boolean {
  if (!isObject(delta) || delta["role"] !== (isFirst ? "assistant" : undefined)) return false;
  if (!isFirst && Object.values(delta).includes(null)) return false;
  const { content = null, tool_calls: calls = null } = delta;
  if (content !== null && !isString(content)) return false;
  if (calls === null) return true;
  return Array.isArray(calls) && calls.every((call) => isObject(call) && isInteger(call["index"]));
}

/** From the key's first quote to the value's last. */
function findModelMember({ members }: JsonBody, json: Buffer) {
  for (let at = 0; at < members.length; at += 4) {
    const start = members[at] ?? 0;
    if (json.toString("latin1", start, members[at + 1]) !== '"model"') continue;
    return { start, end: members[at + 3] ?? 0 };
  }
  return undefined;
}

function parseOrUndefined(json: Buffer): JsonBody | undefined {
  try {
    return parseJsonBody(json);
  } catch {
    // What the strict parser refuses is mended, or refused with its reason, by the lenient path.
    return undefined;
  }
}

function isInteger(value: unknown): value is number {
  return Number.isInteger(value);
}
