// Google's batchEmbedContents in the words of OpenAI's embeddings. Source: Gemini API reference, v1beta, "Embeddings".

import { invalidRequest } from "../../platform/errors.ts";
import type { EmbeddingsDialect } from "../dialect.ts";
import { toObject, toObjects } from "../json-values.ts";

/** What the API has no words for, and does as it is asked all the same or cannot miss. */
const untold = ["user"];

/** One batch for each request; a text goes as the one part of a content. */
export const geminiEmbeddings: EmbeddingsDialect = {
  path: (upstreamModel) => `/models/${encodeURIComponent(upstreamModel)}:batchEmbedContents`,
  request: ({ inputs, request, upstreamModel }) => ({
    requests: inputs.map((input) => {
      if (typeof input !== "string") {
        const message = "The provider of this model takes texts, not tokens: send them as strings.";
        throw invalidRequest(message, "input");
      }
      const { dimensions } = request;
      return {
        model: `models/${upstreamModel}`,
        content: { parts: [{ text: input }] },
        ...(dimensions !== undefined && { outputDimensionality: dimensions }),
      };
    }),
  }),
  dropped: ({ request, omit }) => {
    const given = [
      ...untold.filter(() => request.user !== undefined),
      ...Object.keys(request.extra ?? {}),
    ];
    return given.filter((name) => !omit.includes(name)).toSorted();
  },
  answer: ({ embeddings, usageMetadata }) => ({
    data: Array.isArray(embeddings)
      ? toObjects(embeddings).map(({ values }) => ({ embedding: values }))
      : undefined,
    usage: { prompt_tokens: toObject(usageMetadata)["promptTokenCount"] },
  }),
};
