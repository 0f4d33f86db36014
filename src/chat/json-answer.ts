// Answers in JSON: checked before anybody gets them, mended once, or else no answers at all.
import { create } from "@bufbuild/protobuf";
import {
  type ChatChoice,
  type CreateChatCompletionResponse,
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from "../gen/optamil/v1/chat_pb.ts";
import { toOptamilError } from "../platform/errors.ts";
import type { JsonObject } from "../providers/dialect.ts";
import { toObject, toObjects } from "../providers/json-values.ts";
import type {
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderFailure,
  ProviderStream,
  StreamReceiver,
} from "../providers/provider.ts";
import { type JsonForm, mendJson } from "./json-form.ts";
import { notJson } from "./json-watch.ts";

/**
 * A whole answer in a form. What ended early, was refused or calls tools is the model's last word and passes as it
 * is (OpenAI API reference, structured outputs); a complete text without the form is a failure of the candidate.
 */
export async function completeJson(
  provider: Provider,
  call: ProviderCall,
  form: JsonForm,
): Promise<ProviderAnswer | ProviderFailure> {
  const result = await provider.complete(call);
  return result.ok ? checked(result, form) : result;
}

/** The same as a stream, which begins when the answer is known to be good: for models that are only told what to do. */
export function streamJson(
  provider: Provider,
  call: ProviderCall,
  form: JsonForm,
  receiver: StreamReceiver,
): ProviderStream {
  const stream: ProviderStream & { dropped?: readonly string[] | undefined } = {
    pause: () => undefined,
    resume: () => undefined,
    // The head goes out before the answer if that takes long.
    dropped: provider.untold?.(call.request, call.upstreamModel),
  };
  const whole = { ...call, form: "messages" as const };
  completeJson(provider, whole, form).then(
    (result) => {
      if (!result.ok) return receiver.onFailure(result);
      stream.dropped = result.dropped;
      if (result.body.form === "message") {
        receiver.onChunks(toChunks(result.body.message, result, call));
      }
      receiver.onEnd(result.usage);
    },
    (thrown: unknown) => {
      const error = toOptamilError(thrown, call.requestId);
      receiver.onFailure({ ok: false, error, status: 0, errorClass: "internal", tryNext: false });
    },
  );
  return stream;
}

function checked(answer: ProviderAnswer, form: JsonForm): ProviderAnswer | ProviderFailure {
  const { body } = answer;
  if (body.form === "message") {
    const { choices } = body.message;
    const mended = mendAll(choices.map(finalTextOf), form);
    if (mended === undefined) return notJson();
    for (const [at, { message }] of choices.entries()) {
      const text = mended[at];
      if (message !== undefined && text !== undefined) message.content = text;
    }
    return answer;
  }
  const value: unknown = JSON.parse(new TextDecoder().decode(body.bytes));
  const choices = toObjects(toObject(value)["choices"]);
  const texts = choices.map(finalTextInJson);
  const mended = mendAll(texts, form);
  if (mended === undefined) return notJson();
  if (mended.every((text, at) => text === texts[at])) return answer;
  const mendedChoices = choices.map((choice, at) => {
    const content = mended[at];
    if (content === undefined) return choice;
    return { ...choice, message: { ...toObject(choice["message"]), content } };
  });
  const text = JSON.stringify({ ...toObject(value), choices: mendedChoices });
  return { ...answer, body: { form: "json", bytes: new TextEncoder().encode(text) } };
}

/** The texts in the form, undefined where there is none to check; undefined if one cannot be mended. */
function mendAll(
  texts: readonly (string | undefined)[],
  form: JsonForm,
): (string | undefined)[] | undefined {
  const mended = texts.map((text) => (text === undefined ? undefined : mendJson(text, form)));
  const isGood = texts.every((text, at) => text === undefined || mended[at] !== undefined);
  return isGood ? mended : undefined;
}

/** The text of a choice that the model has ended by itself, and that is the whole answer. */
function finalTextOf({ finishReason, message }: ChatChoice): string | undefined {
  if (finishReason !== "stop" || message === undefined) return undefined;
  return message.refusal || message.toolCalls.length > 0 ? undefined : (message.content ?? "");
}

/** The same in an upstream's own JSON, which may hold what our messages do not. */
function finalTextInJson({ finish_reason: reason, message }: JsonObject): string | undefined {
  const { content, refusal, tool_calls: calls } = toObject(message);
  if (reason !== "stop" || refusal || toObjects(calls).length > 0) return undefined;
  return typeof content === "string" ? content : "";
}

/** One chunk with all that was said, one with how it ended, and the usage where it was asked for. */
function toChunks(
  { id, created, model, serviceTier, systemFingerprint, choices }: CreateChatCompletionResponse,
  { usage }: ProviderAnswer,
  { includeUsage }: ProviderCall,
): StreamChatCompletionResponse[] {
  const common = {
    ...{ id, object: "chat.completion.chunk", created, model },
    ...(serviceTier !== undefined && { serviceTier }),
    ...(systemFingerprint !== undefined && { systemFingerprint }),
  };
  const said = choices.map(({ index, logprobs, message }) => ({
    index,
    ...(logprobs !== undefined && { logprobs }),
    delta: toDelta(message),
  }));
  const ended = choices.map(({ index, finishReason }) => ({
    ...{ index, delta: {} },
    ...(finishReason !== undefined && { finishReason }),
  }));
  const contents = [{ choices: said }, { choices: ended }];
  const counted = includeUsage && usage !== undefined ? [{ choices: [], usage }] : [];
  return [...contents, ...counted].map((content) =>
    create(StreamChatCompletionResponseSchema, { ...common, ...content }),
  );
}

function toDelta(message: ChatChoice["message"]) {
  const { content, refusal, reasoningContent, toolCalls = [] } = message ?? {};
  return {
    role: "assistant",
    ...(content !== undefined && { content }),
    ...(refusal !== undefined && { refusal }),
    ...(reasoningContent !== undefined && { reasoningContent }),
    toolCalls: toolCalls.map((call, index) => ({ ...call, index })),
  };
}
