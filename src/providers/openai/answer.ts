// Turns the upstream's complete answer into ours.

import { Buffer } from "node:buffer";
import { CreateChatCompletionResponseSchema } from "../../gen/optamil/v1/chat_pb.ts";
import type { Clock } from "../../platform/clock.ts";
import { jsonCodec } from "../../platform/json.ts";
import { editMembers, type JsonBody } from "../../platform/json-body.ts";
import type { Dialect } from "../dialect.ts";
import { isObject, isString, toCount, toFilledString } from "../json-values.ts";
import type { ProviderAnswer, ProviderCall, ProviderFailure } from "../provider.ts";
import { parseAnswerBody } from "./answer-body.ts";
import { toContentText } from "./content-text.ts";
import { findErrorFailure, type Redact, toErrorFailure, toProtocolFailure } from "./failure.ts";
import { toFinishReason } from "./finish-reason.ts";
import { readUsage } from "./usage.ts";

const answerCodec = jsonCodec(CreateChatCompletionResponseSchema);

/** How answers are read. */
export type AnswerSetting = {
  readonly relay: "verbatim" | "normalised";
  readonly redact: Redact;
  readonly clock: Clock;
  /** What the API does otherwise than OpenAI's; its answers are always normalised. */
  readonly dialect?: Dialect | undefined;
};

/** The answer in these bytes: an object with choices and no error, else a failure. */
export function toAnswer(
  bytes: Buffer,
  call: ProviderCall,
  setting: AnswerSetting,
): ProviderAnswer | ProviderFailure {
  const body = parseAnswerBody(bytes);
  if ("ok" in body) return body;
  const failure = findErrorFailure(body.value, setting.redact);
  if (failure !== undefined) return failure;
  const value = setting.dialect?.answer(body.value) ?? body.value;
  const { choices } = value;
  if (!Array.isArray(choices) || choices.length === 0) {
    return toProtocolFailure("an answer without choices");
  }
  if (choices.some(isFailed)) return toErrorFailure({ choices }, setting.redact);
  const usage = readUsage(value["usage"]);
  if (call.form === "json" && setting.relay === "verbatim") {
    return { ok: true, body: { form: "json", bytes: withModel(body, call.model) }, usage };
  }
  const mended = mendAnswer(value, choices, call, setting.clock);
  try {
    const message = answerCodec.decode(mended);
    if (usage !== undefined) message.usage = usage;
    return { ok: true, body: { form: "message", message }, usage };
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return toProtocolFailure(`an answer has another shape than OpenAI's: ${reason}`);
  }
}

function withModel(body: JsonBody, model: string): Uint8Array {
  if (body.value["model"] === model) return body.bytes;
  return editMembers(body, new Map([["model", Buffer.from(JSON.stringify(model))]]));
}

/** The answer with every member that OpenAI's has. Its usage is left to the caller. */
function mendAnswer(
  value: Readonly<Record<string, unknown>>,
  choices: readonly unknown[],
  call: ProviderCall,
  clock: Clock,
): Record<string, unknown> {
  const { usage: _, ...others } = value;
  return {
    ...others,
    id: toFilledString(value["id"]) ?? `chatcmpl-${call.requestId}`,
    object: "chat.completion",
    created: toCount(value["created"]) || Math.floor(clock.wallMs() / 1000),
    model: call.model,
    choices: choices.map(mendChoice),
  };
}

function isFailed(choice: unknown): boolean {
  return isObject(choice) && toFinishReason(choice["finish_reason"]) === "failed";
}

function mendChoice(given: unknown, at: number): unknown {
  // Left to the codec, which refuses it with its path.
  if (!isObject(given)) return given;
  const message = isObject(given["message"]) ? given["message"] : {};
  return {
    ...given,
    index: toCount(given["index"]) ?? at,
    message: {
      ...message,
      role: "assistant",
      content: toContentText(message["content"]) ?? null,
      refusal: isString(message["refusal"]) ? message["refusal"] : null,
    },
    logprobs: isObject(given["logprobs"]) ? given["logprobs"] : null,
    finish_reason: toFinishReason(given["finish_reason"]) ?? "stop",
  };
}
