// EmbeddingService: maps each request to the use case, and its result to the answer and its headers.
import { type Embedded, type EmbedParts, embedOnce } from "../../chat/embed.ts";
import { EmbeddingService } from "../../gen/optamil/v1/embeddings_pb.ts";
import { type MethodEntry, metered } from "../exchange.ts";
import { setAnswerHeaders } from "../headers.ts";

/** Runs one request with the parts of now, which stay open until its end. */
export type UseEmbedParts = (run: (parts: EmbedParts) => Promise<Embedded>) => Promise<Embedded>;

/** The methods of EmbeddingService. */
export function embeddingMethods(use: UseEmbedParts): readonly MethodEntry[] {
  return [
    metered(EmbeddingService.method.createEmbedding, async (request, exchange) => {
      const call = { ...exchange, request, stream: false, operation: "embeddings" as const };
      const { head, message } = await use((parts) => embedOnce(call, parts));
      setAnswerHeaders(head, exchange.setHeader);
      return message;
    }),
  ];
}
