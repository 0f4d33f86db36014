// The turns of a conversation as chat messages: a tool's results stand apart there, and so does what was thought.
import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  type ChatMessage,
  ChatMessageSchema,
  type ContentPart,
  ContentPartSchema,
  FunctionCallSchema,
  ImageUrlSchema,
  type ToolCall,
  ToolCallSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import {
  type MessagesBlock,
  MessagesBlockSchema,
  type MessagesContent,
  type MessagesSource,
  type MessagesTurn,
} from "../../gen/optamil/v1/messages_pb.ts";
import { invalidRequest } from "../../platform/errors.ts";
import { toContent } from "../chat-content.ts";

/** The blocks of a content; a text is one block. */
export function blocksOf({ kind }: MessagesContent): readonly MessagesBlock[] {
  if (kind.case === "blocks") return kind.value.values;
  const text = kind.value ?? "";
  return text === "" ? [] : [create(MessagesBlockSchema, { type: "text", text })];
}

/** The text of a text block; `path` is its place in the request. Throws `invalid_request` for any other. */
export function textOfBlock({ type, text }: MessagesBlock, path: string): string {
  if (type !== "text") throw wrong(`${path}.type`, `expected a text block, got '${cut(type)}'`);
  return needed(text, `${path}.text`);
}

/** The chat messages that say what a turn says; `path` is its place in the request. Throws `invalid_request`. */
export function toTurnMessages({ role, content }: MessagesTurn, path: string): ChatMessage[] {
  if (content === undefined) throw wrong(`${path}.content`, "missing");
  const blocks = blocksOf(content);
  const inner = `${path}.content`;
  return role === "assistant" ? [toAnswer(blocks, inner)] : toQuestions(blocks, inner);
}

/** Results go first, as the API wants them to. */
function toQuestions(blocks: readonly MessagesBlock[], path: string): ChatMessage[] {
  const results: ChatMessage[] = [];
  const parts: ContentPart[] = [];
  for (const [at, block] of blocks.entries()) {
    const place = `${path}[${at}]`;
    if (block.type === "tool_result") results.push(toResult(block, place));
    else parts.push(toPart(block, place));
  }
  if (parts.length === 0 && results.length > 0) return results;
  return [...results, create(ChatMessageSchema, { role: "user", content: toContent(parts) })];
}

function toResult(block: MessagesBlock, path: string): ChatMessage {
  const { content, isError, extra } = block;
  const parts = content === undefined ? [] : toParts(blocksOf(content), `${path}.content`);
  const marks = { ...extra, ...(isError !== undefined && { is_error: isError }) };
  return create(ChatMessageSchema, {
    role: "tool",
    toolCallId: needed(block.toolUseId, `${path}.tool_use_id`),
    content: toContent(parts),
    ...(Object.keys(marks).length > 0 && { extra: marks }),
  });
}

/** Thoughts go with calls only, whose results are thought on about; nobody needs them later. */
function toAnswer(blocks: readonly MessagesBlock[], path: string): ChatMessage {
  const parts: ContentPart[] = [];
  const toolCalls: ToolCall[] = [];
  const thoughts: JsonObject[] = [];
  for (const [at, block] of blocks.entries()) {
    const place = `${path}[${at}]`;
    if (block.type === "tool_use") toolCalls.push(toCall(block, place));
    else if (block.type.endsWith("thinking")) thoughts.push(toThought(block, place));
    else parts.push(create(ContentPartSchema, toTextPart(block, place)));
  }
  const texts = thoughts.flatMap(({ thinking }) => (typeof thinking === "string" ? thinking : []));
  return create(ChatMessageSchema, {
    role: "assistant",
    toolCalls,
    ...(parts.length > 0 || toolCalls.length === 0 ? { content: toContent(parts) } : {}),
    ...(thoughts.length > 0 && {
      extra: {
        thinking_blocks: thoughts,
        ...(toolCalls.length > 0 && texts.length > 0 && { reasoning_content: texts.join("") }),
      },
    }),
  });
}

function toThought({ type, thinking, signature, data }: MessagesBlock, path: string): JsonObject {
  if (type === "redacted_thinking") return { type, data: needed(data, `${path}.data`) };
  if (type !== "thinking") throw unknownBlock(type, path);
  return { type, thinking: needed(thinking, `${path}.thinking`), signature: signature ?? "" };
}

function toCall({ id, name, input, extra }: MessagesBlock, path: string): ToolCall {
  const called = create(FunctionCallSchema, {
    name: needed(name, `${path}.name`),
    arguments: JSON.stringify(needed(input, `${path}.input`)),
  });
  const call = { id: needed(id, `${path}.id`), type: "function", function: called };
  return create(ToolCallSchema, { ...call, ...(extra !== undefined && { extra }) });
}

/** Blocks as content parts; `path` is their list's place in the request. Throws `invalid_request`. */
export function toParts(blocks: readonly MessagesBlock[], path: string): ContentPart[] {
  return blocks.map((block, at) => toPart(block, `${path}[${at}]`));
}

function toPart(block: MessagesBlock, path: string): ContentPart {
  const { type, source, title, extra } = block;
  const marks = extra !== undefined && { extra };
  switch (type) {
    case "text":
      return create(ContentPartSchema, toTextPart(block, path));
    case "image": {
      const url = toUrl(needed(source, `${path}.source`), `${path}.source`);
      const imageUrl = create(ImageUrlSchema, { url });
      return create(ContentPartSchema, { type: "image_url", imageUrl, ...marks });
    }
    case "document": {
      const given = needed(source, `${path}.source`);
      if (given.type === "text") {
        const text = needed(given.data, `${path}.source.data`);
        return create(ContentPartSchema, { type: "text", text, ...marks });
      }
      const name = title !== undefined && { filename: title };
      const file = { file_data: toUrl(given, `${path}.source`), ...name };
      return create(ContentPartSchema, { type: "file", file, ...marks });
    }
    default:
      throw unknownBlock(type, path);
  }
}

function toTextPart(block: MessagesBlock, path: string) {
  if (block.type !== "text") throw unknownBlock(block.type, path);
  const text = needed(block.text, `${path}.text`);
  return { type: "text", text, ...(block.extra !== undefined && { extra: block.extra }) };
}

function toUrl({ type, url, mediaType, data }: MessagesSource, path: string): string {
  if (type === "url") return needed(url, `${path}.url`);
  if (type === "text") throw wrong(`${path}.type`, "an image cannot be a text");
  return `data:${needed(mediaType, `${path}.media_type`)};base64,${needed(data, `${path}.data`)}`;
}

function needed<T>(value: T | undefined, path: string): T {
  if (value === undefined) throw wrong(path, "missing");
  return value;
}

function unknownBlock(type: string, path: string) {
  const place = `${path}.type`;
  return wrong(place, `there is no block of type '${cut(type)}' here`);
}

function wrong(path: string, reason: string) {
  return invalidRequest(`Invalid '${path}': ${reason}.`, path);
}

/** The client writes the types. */
function cut(type: string): string {
  return type.slice(0, 64);
}
