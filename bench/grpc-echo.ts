// The unit of the gRPC figure: connect-node's own server, which answers every chat request with one message.
import { createServer } from "node:http2";
import { create } from "@bufbuild/protobuf";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { ChatService, CreateChatCompletionResponseSchema } from "../src/gen/optamil/v1/chat_pb.ts";

const answer = create(CreateChatCompletionResponseSchema, {
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 1_712_345_678n,
  model: "bench-model",
  choices: [{ index: 0, message: { role: "assistant", content: "x".repeat(280) } }],
});
const server = createServer(
  connectNodeAdapter({
    routes: (router) => router.service(ChatService, { createChatCompletion: () => answer }),
  }),
);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  process.stdout.write(`listening ${port}\n`);
});
