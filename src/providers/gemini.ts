// Google's generateContent as a dialect.
import type { Dialect } from "./dialect.ts";
import { createEvents, toCompletion } from "./gemini/answer.ts";
import { geminiEmbeddings } from "./gemini/embeddings.ts";
import { toDropped, toGenerateRequest } from "./gemini/request.ts";

/** What Gemini does otherwise than OpenAI: the model stands in the path. */
export const gemini: Dialect = {
  json: "native",
  path: (upstreamModel, isStream) =>
    `/models/${encodeURIComponent(upstreamModel)}:${isStream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
  headers: (apiKey) => (apiKey === undefined ? [] : ["x-goog-api-key", apiKey]),
  request: toGenerateRequest,
  dropped: toDropped,
  answer: toCompletion,
  events: createEvents,
  embeddings: geminiEmbeddings,
};
