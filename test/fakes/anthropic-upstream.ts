/** Plays Anthropic's Messages API on the fake upstream. Source: Anthropic API reference (anthropic-version 2023-06-01). */
import { type Play, playJson, playStream } from "./openai-upstream.ts";

/** The text that `playAnthropic` answers with, in the pieces that it streams. */
const words = ["Hello", " from", " up", "stream", " \u{1F642}", "!"];

/** One server-sent event, as Anthropic names it. */
export function named(value: { readonly type: string } & Record<string, unknown>): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}

/** The start of a stream: 7 tokens of prompt, 2 of them read from the cache and 1 written into it. */
export function messageStart(): string {
  const usage = {
    ...{ input_tokens: 4, cache_creation_input_tokens: 1, cache_read_input_tokens: 2 },
    output_tokens: 1,
  };
  return named({ type: "message_start", message: { ...frame, content: [], usage } });
}

/** The end of a stream. */
export function messageEnd(stopReason = "end_turn", outputTokens = 3): string[] {
  return [
    named({
      type: "message_delta",
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: { output_tokens: outputTokens },
    }),
    named({ type: "message_stop" }),
  ];
}

/** The events of a content block of text. */
export function textBlock(texts: readonly string[], index = 0): string[] {
  return [
    named({ type: "content_block_start", index, content_block: { type: "text", text: "" } }),
    ...texts.map((text) =>
      named({ type: "content_block_delta", index, delta: { type: "text_delta", text } }),
    ),
    named({ type: "content_block_stop", index }),
  ];
}

/** The events of a content block that calls a tool. */
export function toolBlock(name: string, texts: readonly string[], index = 0): string[] {
  const block = { type: "tool_use", id: `toolu_${index}`, name, input: {} };
  return [
    named({ type: "content_block_start", index, content_block: block }),
    ...texts.map((text) =>
      named({
        type: "content_block_delta",
        index,
        delta: { type: "input_json_delta", partial_json: text },
      }),
    ),
    named({ type: "content_block_stop", index }),
  ];
}

const frame = { id: "msg_1", type: "message", role: "assistant", model: "claude-upstream" };

/** A whole message. */
export function message(content: readonly object[], stopReason: string): object {
  return {
    ...frame,
    content,
    stop_reason: stopReason,
    stop_sequence: null,
    usage: {
      ...{ input_tokens: 4, cache_creation_input_tokens: 1, cache_read_input_tokens: 2 },
      output_tokens: 3,
    },
  };
}

type Asked = {
  readonly stream?: boolean;
  readonly tools?: readonly { readonly name: string }[];
  readonly tool_choice?: { readonly type: string };
};

/** Answers as Anthropic does: whole or streamed, a call of the first tool if one is required. */
export const playAnthropic: Play = (response, request) => {
  const asked: Asked = JSON.parse(request.text);
  const name = asked.tool_choice?.type === "any" ? asked.tools?.[0]?.name : undefined;
  const stop = name === undefined ? "end_turn" : "tool_use";
  if (asked.stream !== true) {
    const block =
      name === undefined
        ? { type: "text", text: words.join("") }
        : { type: "tool_use", id: "toolu_0", name, input: { a: 1 } };
    return playJson(200, message([block], stop))(response, request);
  }
  const block = name === undefined ? textBlock(words) : toolBlock(name, ['{"a"', ":1}"]);
  const pieces = [messageStart(), named({ type: "ping" }), ...block, ...messageEnd(stop)];
  return playStream(pieces)(response, request);
};
