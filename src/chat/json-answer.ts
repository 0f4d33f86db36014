// Answers in JSON: checked before anybody gets them, mended once, or else no answers at all.
import { create } from "@bufbuild/protobuf";
import {
  type ChatChoice,
  type CreateChatCompletionResponse,
  type StreamChatCompletionResponse,
  StreamChatCompletionResponseSchema,
} from "../gen/optamil/v1/chat_pb.ts";
import { OptamilError, toOptamilError } from "../platform/errors.ts";
import type {
  Provider,
  ProviderAnswer,
  ProviderCall,
  ProviderFailure,
  ProviderStream,
  StreamReceiver,
} from "../providers/provider.ts";
import { fromCompletionText, toCompletionText } from "./answer-json.ts";
import { type JsonForm, mendJson } from "./json-form.ts";

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
  };
  const whole = { ...call, form: "messages" as const };
  completeJson(provider, whole, form).then(
    (result) => {
      if (!result.ok) return receiver.onFailure(result);
      stream.dropped = result.dropped;
      receiver.onChunks(toChunks(toMessage(result), result, call));
      receiver.onEnd(result.usage);
    },
    (thrown: unknown) => receiver.onFailure(toFailure(toOptamilError(thrown, call.requestId))),
  );
  return stream;
}

function checked(answer: ProviderAnswer, form: JsonForm): ProviderAnswer | ProviderFailure {
  const message = toMessage(answer);
  let isMended = false;
  for (const choice of message.choices) {
    const text = finalTextOf(choice);
    if (text === undefined || choice.message === undefined) continue;
    const mended = mendJson(text, form);
    if (mended === undefined) return notJson();
    if (mended === text) continue;
    choice.message.content = mended;
    isMended = true;
  }
  if (!isMended) return answer;
  if (answer.body.form === "message") return { ...answer, body: { form: "message", message } };
  const bytes = new TextEncoder().encode(toCompletionText(message));
  return { ...answer, body: { form: "json", bytes } };
}

/** The text of a choice that the model has ended by itself, and that is the whole answer. */
function finalTextOf({ finishReason, message }: ChatChoice): string | undefined {
  if (finishReason !== "stop" || message === undefined) return undefined;
  return message.refusal || message.toolCalls.length > 0 ? undefined : (message.content ?? "");
}

function toMessage({ body }: ProviderAnswer): CreateChatCompletionResponse {
  if (body.form === "message") return body.message;
  return fromCompletionText(new TextDecoder().decode(body.bytes));
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

function notJson(): ProviderFailure {
  const message = "The model did not answer with JSON as response_format asks. Please try again.";
  return toFailure(new OptamilError("service_unavailable", message));
}

function toFailure(error: OptamilError): ProviderFailure {
  return { ok: false, error, status: 200, errorClass: "invalid_json", tryNext: true };
}
