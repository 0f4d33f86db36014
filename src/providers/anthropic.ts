// Anthropic's Messages API as a dialect.
import { createEvents, toCompletion } from "./anthropic/answer.ts";
import { toDropped, toMessagesRequest } from "./anthropic/request.ts";
import type { Dialect } from "./dialect.ts";

/** The version of the API that these translations were written for. */
const apiVersion = "2023-06-01";

/** What Anthropic does otherwise than OpenAI. */
export const anthropic: Dialect = {
  json: "instructed",
  path: () => "/messages",
  headers: (apiKey) => [
    ...["anthropic-version", apiVersion],
    ...(apiKey === undefined ? [] : ["x-api-key", apiKey]),
  ],
  request: toMessagesRequest,
  dropped: toDropped,
  answer: toCompletion,
  events: createEvents,
};
