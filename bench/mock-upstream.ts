// A provider that answers every chat request at once: plain sockets, so that it is never the bottleneck.
import { createServer, type Socket } from "node:net";
import {
  burstModel,
  eventsPerStream,
  pacedModel,
  paceMs,
  slowModel,
  slowSeconds,
} from "./requests.ts";

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

const streamHead =
  "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

function toEvents(model: string): readonly string[] {
  const common = { id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1_712_345_678 };
  const chunk = (delta: object, finishReason: string | null) =>
    `data: ${JSON.stringify({ ...common, model, choices: [{ index: 0, delta, finish_reason: finishReason }], usage: null })}\n\n`;
  const usage = { prompt_tokens: 250, completion_tokens: 70, total_tokens: 320 };
  return [
    chunk({ role: "assistant", content: "" }, null),
    ...Array.from({ length: eventsPerStream - 3 }, (_, at) =>
      chunk({ content: ` word${at}` }, null),
    ),
    chunk({}, "stop"),
    `data: ${JSON.stringify({ ...common, model, choices: [], usage })}\n\ndata: [DONE]\n\n`,
  ];
}

const toChunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const burst = Buffer.from(`${streamHead}${toEvents(burstModel).map(toChunk).join("")}0\r\n\r\n`);
const paced = toEvents(pacedModel).map((event) => Buffer.from(toChunk(event)));

function pace(socket: Socket): void {
  let at = 0;
  socket.write(streamHead);
  const timer = setInterval(() => {
    const event = paced[at++];
    if (event !== undefined && !socket.destroyed) {
      socket.write(event);
      return;
    }
    clearInterval(timer);
    if (!socket.destroyed) socket.write("0\r\n\r\n");
  }, paceMs);
}

/** Two events at once, the rest at the end. */
function stall(socket: Socket): void {
  const [first = "", second = "", ...others] = toEvents(slowModel).map(toChunk);
  socket.write(streamHead + first + second);
  const end = () => socket.destroyed || socket.write(`${others.join("")}0\r\n\r\n`);
  const timer = setTimeout(end, slowSeconds * 1_000);
  socket.once("close", () => clearTimeout(timer));
}

const headerEnd = Buffer.from("\r\n\r\n");

function respond(socket: Socket, body: Buffer): void {
  // The model stands first in the bodies of the benchmark. `auto` may pick any of them, for an answer in one piece.
  const start = body.toString("latin1", 0, 40);
  if (!body.includes('"stream":true')) socket.write(reply);
  else if (start.includes(burstModel)) socket.write(burst);
  else if (start.includes(pacedModel)) pace(socket);
  else if (start.includes(slowModel)) stall(socket);
  else socket.write(reply);
}

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
      respond(socket, pending.subarray(headLength + 4, end));
      pending = pending.subarray(end);
    }
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  process.stdout.write(`listening ${port}\n`);
});
