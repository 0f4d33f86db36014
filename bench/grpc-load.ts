// A closed loop of unary gRPC calls: many at once on one HTTP/2 connection.
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ChatService, CreateChatCompletionRequestSchema } from "../src/gen/optamil/v1/chat_pb.ts";
import type { Load, RequestHeaders } from "./load.ts";

/** Calls that were answered well; a refusal ends the load. The body is the request as protobuf's JSON. */
export async function runGrpcLoad(
  load: Load & { readonly headers: RequestHeaders },
): Promise<{ requests: number; seconds: number }> {
  const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${load.port}` });
  const { createChatCompletion } = createClient(ChatService, transport);
  const value: JsonValue = JSON.parse(load.body);
  const request = fromJson(CreateChatCompletionRequestSchema, value);
  const startMs = performance.now();
  const endMs = startMs + load.durationMs;
  const counts = await Promise.all(
    Array.from({ length: load.connections }, async () => {
      let count = 0;
      do {
        await createChatCompletion(request, { headers: { ...load.headers } });
        count++;
      } while (performance.now() < endMs);
      return count;
    }),
  );
  const requests = counts.reduce((sum, count) => sum + count, 0);
  return { requests, seconds: (performance.now() - startMs) / 1_000 };
}

/** The request of the benchmark as protobuf's JSON. */
export function toGrpcBody(model: string): string {
  const text = "The quick brown fox jumps over the lazy dog. ".repeat(10);
  const message = (role: string, content: string) => ({ role, content: { text: content } });
  return JSON.stringify({
    model,
    messages: [
      message("system", "You are a helpful assistant."),
      message("user", text),
      message("assistant", "Understood."),
      message("user", text),
    ],
    temperature: 0.7,
    maxTokens: 256,
  });
}
