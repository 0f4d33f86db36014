/** Plays Google's generateContent on the fake upstream. Source: Gemini API reference, v1beta. */
import { event, type Play, playJson, playStream } from "./openai-upstream.ts";

/** The text that `playGemini` answers with, in the pieces that it streams. */
const words = ["Hello", " from", " up", "stream", " \u{1F642}", "!"];

/** A response with these parts for each candidate. */
export function response(parts: readonly object[], finishReason?: string, count = 1): object {
  return {
    candidates: Array.from({ length: count }, (_, index) => ({
      content: { role: "model", parts },
      ...(finishReason !== undefined && { finishReason }),
      index,
    })),
    usageMetadata: {
      ...{ promptTokenCount: 7, candidatesTokenCount: 3, thoughtsTokenCount: 2 },
      ...{ cachedContentTokenCount: 4, totalTokenCount: 12 },
    },
    modelVersion: "gemini-upstream",
    responseId: "resp-1",
  };
}

type Asked = {
  readonly tools?: readonly {
    readonly functionDeclarations: readonly { readonly name: string }[];
  }[];
  readonly toolConfig?: { readonly functionCallingConfig: { readonly mode: string } };
  readonly generationConfig?: { readonly candidateCount?: number };
};

/** Answers as Gemini does: whole or streamed, a call of the first tool if one is required. */
export const playGemini: Play = (reply, request) => {
  const asked: Asked = JSON.parse(request.text);
  const count = asked.generationConfig?.candidateCount ?? 1;
  const isRequired = asked.toolConfig?.functionCallingConfig.mode === "ANY";
  const name = isRequired ? asked.tools?.[0]?.functionDeclarations[0]?.name : undefined;
  const call = [{ functionCall: { name, args: { a: 1 } } }];
  if (!request.url.includes(":streamGenerateContent")) {
    const parts = name === undefined ? [{ text: words.join("") }] : call;
    return playJson(200, response(parts, "STOP", count))(reply, request);
  }
  const pieces =
    name === undefined
      ? [
          ...words.map((text) => response([{ text }], undefined, count)),
          response([{ text: "" }], "STOP", count),
        ]
      : [response(call, undefined, count), response([], "STOP", count)];
  return playStream(pieces.map(event))(reply, request);
};
