// Parts of a content as the content of a chat message.
import { create } from "@bufbuild/protobuf";
import {
  type ChatContent,
  ChatContentSchema,
  type ContentPart,
} from "../gen/optamil/v1/chat_pb.ts";

/** A single text without marks is a text: that every server takes. */
export function toContent(parts: readonly ContentPart[]): ChatContent {
  const [first] = parts;
  const isPlain =
    parts.length === 0 ||
    (parts.length === 1 && first?.type === "text" && first.extra === undefined);
  return create(ChatContentSchema, {
    kind: isPlain
      ? { case: "text", value: first?.text ?? "" }
      : { case: "parts", value: { values: [...parts] } },
  });
}
