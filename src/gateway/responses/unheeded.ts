// What of a request has no effect here, and what cannot be done without a store.
import { CreateChatCompletionRequestSchema } from "../../gen/optamil/v1/chat_pb.ts";
import type { CreateResponseRequest } from "../../gen/optamil/v1/responses_pb.ts";
import { invalidRequest, type OptamilError } from "../../platform/errors.ts";
import { unsealThoughts } from "./thoughts.ts";

/** Values of `include` that come true: the first asks for something, the second comes unasked. */
const heeded: readonly string[] = ["message.output_text.logprobs", "reasoning.encrypted_content"];

/** A chat request's own names, which mean nothing in one for a response. */
const chatNames = new Set(CreateChatCompletionRequestSchema.fields.map(({ name }) => name));

/** The names of the parameters without an effect, as the client wrote them. */
export function findUnheeded(request: CreateResponseRequest): readonly string[] {
  const { include, truncation, maxToolCalls, contextManagement, store, streamOptions } = request;
  const rules: readonly (readonly [string, boolean])[] = [
    ["context_management", contextManagement.length > 0],
    ["include", include.some((value) => !heeded.includes(value))],
    ["input.encrypted_content", hasForeignThoughts(request)],
    ["max_tool_calls", maxToolCalls !== undefined],
    ["store", store === true],
    [
      "stream_options",
      streamOptions?.includeObfuscation === true || streamOptions?.extra !== undefined,
    ],
    ["truncation", truncation === "auto"],
  ];
  const { reasoning, text, extra } = request;
  const keys = (name: string, extra: object | undefined) =>
    Object.keys(extra ?? {}).map((key) => `${name}.${key}`);
  return [
    ...rules.filter(([, isThere]) => isThere).map(([name]) => name),
    ...Object.keys(extra ?? {}).filter((name) => chatNames.has(name)),
    ...keys("reasoning", reasoning?.extra).filter((name) => name !== "reasoning.generate_summary"),
    ...keys("text", text?.extra),
  ];
}

/** Reasoning that another server encrypted. */
function hasForeignThoughts({ input }: CreateResponseRequest): boolean {
  if (input?.kind.case !== "items") return false;
  return input.kind.value.values.some(
    ({ encryptedContent: text }) => text && unsealThoughts(text) === undefined,
  );
}

/** What a key or gateway that rejects says to such a parameter. */
export function refuseUnheeded(name: string): OptamilError {
  const remedy = 'leave it out, or use a key with parameter_policy "drop"';
  return invalidRequest(`'${name}' has no effect here: ${remedy}.`, name);
}

/** Throws `invalid_request` for what names something that OpenAI's servers keep: nothing is kept here. */
export function refuseKept(request: CreateResponseRequest): void {
  const { previousResponseId, conversation, background, prompt } = request;
  const whole = "send the whole conversation in 'input'";
  if (previousResponseId !== undefined) throw notKept("previous_response_id", "response", whole);
  if (conversation !== undefined && conversation.kind.case !== "nullValue") {
    throw notKept("conversation", "conversation", whole);
  }
  if (prompt !== undefined) {
    throw notKept("prompt", "prompt", "send its text in 'instructions' and 'input'");
  }
  if (background === true) {
    throw notKept("background", "response", "leave it out and wait for the answer, or stream it");
  }
}

function notKept(name: string, what: string, remedy: string): OptamilError {
  return invalidRequest(`Invalid '${name}': no ${what} is kept on this gateway; ${remedy}.`, name);
}
