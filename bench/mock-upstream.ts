// A provider that answers every chat request at once: plain sockets, so that it is never the bottleneck.
import { createServer } from "node:net";

const answer = JSON.stringify({
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 1_712_345_678,
  model: "bench-model",
  choices: [
    {
      index: 0,
      message: { role: "assistant", content: "x".repeat(280), refusal: null, annotations: [] },
      logprobs: null,
      finish_reason: "stop",
    },
  ],
  usage: { prompt_tokens: 250, completion_tokens: 70, total_tokens: 320 },
  service_tier: "default",
  system_fingerprint: "fp_bench",
});
const reply = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${answer.length}\r\n\r\n${answer}`,
);
const headerEnd = Buffer.from("\r\n\r\n");

const server = createServer({ noDelay: true }, (socket) => {
  let pending = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (piece) => {
    pending = pending.length === 0 ? piece : Buffer.concat([pending, piece]);
    while (true) {
      const headLength = pending.indexOf(headerEnd);
      if (headLength < 0) return;
      const head = pending.toString("latin1", 0, headLength);
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      const end = headLength + 4 + length;
      if (pending.length < end) return;
      pending = pending.subarray(end);
      socket.write(reply);
    }
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  process.stdout.write(`listening ${port}\n`);
});
