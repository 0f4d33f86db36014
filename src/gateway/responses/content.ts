// The contents of items as contents of chat messages.
import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  type ChatContent,
  type ContentPart,
  ContentPartSchema,
  ImageUrlSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import {
  type ResponsesContent,
  type ResponsesPart,
  ResponsesPartSchema,
} from "../../gen/optamil/v1/responses_pb.ts";
import { invalidRequest, type OptamilError } from "../../platform/errors.ts";
import { toContent } from "../chat-content.ts";

/** The parts of a content; a text is one part. */
export function partsOf(content: ResponsesContent | undefined): readonly ResponsesPart[] {
  if (content?.kind.case === "parts") return content.kind.value.values;
  const text = content?.kind.value;
  return text ? [create(ResponsesPartSchema, { type: "input_text", text })] : [];
}

/** A text as a part of a chat message. */
export function textPart(text: string): ContentPart {
  return create(ContentPartSchema, { type: "text", text });
}

/** What a user, a system or a function says; `path` is its place. Throws `invalid_request` for other parts. */
export function toChatContent(content: ResponsesContent, path: string): ChatContent {
  return toContent(partsOf(content).map((part, at) => toChatPart(part, `${path}[${at}]`)));
}

/** The same as one text where no part is marked: not every server takes parts of a system. */
export function toSystemContent(content: ResponsesContent, path: string): ChatContent {
  const parts = partsOf(content).map((part, at) => toChatPart(part, `${path}[${at}]`));
  const isPlain = parts.every(({ type, extra }) => type === "text" && extra === undefined);
  if (!isPlain || parts.length === 0) return toContent(parts);
  const text = parts.map((part) => part.text ?? "").join("\n\n");
  return toContent([textPart(text)]);
}

/** A part as that of a chat message; `path` is its place. Throws `invalid_request` for one that no chat has. */
export function toChatPart(part: ResponsesPart, path: string): ContentPart {
  const { type } = part;
  const marks = marksOf(part);
  switch (type) {
    case "input_text":
    case "output_text":
      return create(ContentPartSchema, { type: "text", text: textOf(part, path), ...marks });
    case "input_image": {
      const { detail } = part;
      const url = neededData(part.imageUrl, "image_url", part, path);
      const imageUrl = create(ImageUrlSchema, { url, ...(detail !== undefined && { detail }) });
      return create(ContentPartSchema, { type: "image_url", imageUrl, ...marks });
    }
    case "input_file": {
      const { filename } = part;
      const data = neededData(part.fileData ?? part.fileUrl, "file_data", part, path);
      const file = { file_data: data, ...(filename !== undefined && { filename }) };
      return create(ContentPartSchema, { type: "file", file, ...marks });
    }
    case "input_audio": {
      const inputAudio = needed(part.inputAudio, `${path}.input_audio`);
      return create(ContentPartSchema, { type, inputAudio, ...marks });
    }
    default:
      throw wrong(`${path}.type`, `there is no part of type '${type.slice(0, 64)}' here`);
  }
}

/** Keys that only OpenAI's servers know: no chat API takes them. */
const serverKeys: readonly string[] = ["async", "caller", "created_by", "namespace"];

/** The undeclared keys of an item or a part that go on; a null says nothing. */
export function marksOf({ extra = {} }: { readonly extra?: JsonObject | undefined }): {
  readonly extra?: JsonObject;
} {
  const kept = Object.entries(extra).filter(
    ([key, value]) => value !== null && !serverKeys.includes(key),
  );
  return kept.length === 0 ? {} : { extra: Object.fromEntries(kept) };
}

/** The text of a text part; `path` is its place. Throws `invalid_request` without one. */
export function textOf({ text }: ResponsesPart, path: string): string {
  return needed(text, `${path}.text`);
}

/** A value that must be there; `path` is its place. Throws `invalid_request` without it. */
export function needed<T>(value: T | undefined, path: string): T {
  if (value === undefined) throw wrong(path, "missing");
  return value;
}

function neededData(
  value: string | undefined,
  name: string,
  { fileId }: ResponsesPart,
  path: string,
): string {
  if (value !== undefined || fileId === undefined) return needed(value, `${path}.${name}`);
  throw wrong(`${path}.file_id`, `no file is kept on this gateway; send '${name}'`);
}

/** A mistake at a place. */
export function wrong(path: string, reason: string): OptamilError {
  return invalidRequest(`Invalid '${path}': ${reason}.`, path);
}
