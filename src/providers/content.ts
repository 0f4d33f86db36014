// Whether a piece of a stream holds content: from there on the client has got something.
import { Buffer } from "node:buffer";
import type { StreamChatCompletionResponse } from "../gen/optamil/v1/chat_pb.ts";

/** Whether a chunk holds text, reasoning, a refusal or a tool call. */
export function chunkHasContent({ choices }: StreamChatCompletionResponse): boolean {
  return choices.some(
    ({ delta }) =>
      delta !== undefined &&
      (delta.content ||
        delta.reasoningContent ||
        delta.refusal ||
        delta.toolCalls.length > 0 ||
        delta.functionCall),
  );
}

/** What the JSON of a delta with content has, in events that are not parsed. */
const contentInJson =
  /"(?:content|reasoning_content|reasoning|refusal)":"[^"]|"(?:tool_calls|function_call)":[[{]/;

/** Whether server-sent events hold content. To be asked only until the first does: it looks at every byte. */
export function eventsHaveContent(events: Uint8Array): boolean {
  return contentInJson.test(
    Buffer.from(events.buffer, events.byteOffset, events.byteLength).toString("latin1"),
  );
}
