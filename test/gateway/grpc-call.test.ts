import { once } from "node:events";
import { type ClientHttp2Stream, connect, type IncomingHttpHeaders } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { describe, expect, it, onTestFinished } from "vitest";
import { createGrpcServer, type GrpcMethod } from "../../src/gateway/grpc-call.ts";
import { listen } from "../../src/gateway/listen.ts";
import {
  ChatService,
  CreateChatCompletionRequestSchema,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import { frame } from "../e2e/raw-grpc.ts";

const method = ChatService.method.streamChatCompletion;
const path = `/${method.parent.typeName}/${method.name}`;
const messageBytesMax = 64 * 1024;
const asked = toBinary(
  CreateChatCompletionRequestSchema,
  create(CreateChatCompletionRequestSchema, { model: "any" }),
);

/** A server of one method behind the port, and a call to it whose body the test writes. */
async function openCall(serve: GrpcMethod["serve"], headers: IncomingHttpHeaders = {}) {
  const serveGrpc = createGrpcServer([{ method, serve }], messageBytesMax);
  const untouched: string[] = [];
  const listener = await listen((request, response) => {
    if (serveGrpc(request, response)) return;
    untouched.push(request.headers["content-type"] ?? "");
    response.end();
  });
  const session = connect(listener.url);
  onTestFinished(async () => {
    session.destroy();
    await listener.close({ drainMs: 0 });
  });
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {});
  return { stream, untouched, status: statusOf(stream) };
}

/** The code that a call ends with; 0 is well. */
async function statusOf(stream: ClientHttp2Stream): Promise<number | undefined> {
  const all = new Headers();
  const note = (received: IncomingHttpHeaders) => {
    for (const [name, value] of Object.entries(received)) {
      if (!name.startsWith(":")) all.set(name, String(value));
    }
  };
  stream.on("response", note).on("trailers", note);
  await once(stream, "close");
  return all.has("grpc-status") ? (findTrailerError(all)?.code ?? 0) : undefined;
}

const unasked: GrpcMethod["serve"] = () =>
  expect.unreachable("a call that is refused is not served");

describe("gRPC without a library in between", () => {
  it("refuses a message that is too large before its end has come", async () => {
    const { stream, status } = await openCall(unasked);
    stream.resume().write(frame(Buffer.alloc(messageBytesMax + 1)));
    expect(await status).toBe(Code.ResourceExhausted);
  });

  it("refuses a message that says it is too large", async () => {
    const { stream, status } = await openCall(unasked);
    stream.resume().end(frame(asked, { length: messageBytesMax + 1 }));
    expect(await status).toBe(Code.ResourceExhausted);
  });

  it.each([
    ["no message", Buffer.alloc(0), Code.Unimplemented],
    ["two messages", Buffer.concat([frame(asked), frame(asked)]), Code.Unimplemented],
    ["half a prefix", frame(asked).subarray(0, 3), Code.InvalidArgument],
    ["half a message", frame(asked).subarray(0, 7), Code.InvalidArgument],
    ["what is no protobuf", frame(Buffer.from([0xff, 0xff])), Code.Internal],
  ])("refuses %s", async (_what, body, code) => {
    const { stream, status } = await openCall(unasked);
    stream.resume().end(body);
    expect(await status).toBe(code);
  });

  it("ends a call at its deadline though its message has not come", async () => {
    const { stream, status } = await openCall(unasked, { "grpc-timeout": "50m" });
    stream.resume().write(frame(asked).subarray(0, 4));
    expect(await status).toBe(Code.DeadlineExceeded);
  });

  it("tells the method of a deadline, and of a client that has left", async () => {
    for (const [headers, reason] of [
      [{ "grpc-timeout": "50m" }, "deadline"],
      [{}, "client_closed"],
    ] as const) {
      const told = Promise.withResolvers<string | undefined>();
      const { stream } = await openCall((_message, call) => {
        call.cancellation.onCancel(() => told.resolve(call.cancellation.reason));
        if (reason === "client_closed") stream.destroy();
        return told.promise.then(() => {});
      }, headers);
      stream.resume().end(frame(asked));
      expect(await told.promise).toBe(reason);
    }
  });

  it("asks a method to wait for a slow reader, and then for more", async () => {
    const content = "x".repeat(32 * 1024);
    const chunk = create(StreamChatCompletionResponseSchema, { id: content });
    let sent = 0;
    let waits = 0;
    const { stream, status } = await openCall((_message, call) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const go = () => {
        while (sent < 64) {
          sent += 1;
          if (call.send([chunk])) continue;
          waits += 1;
          return;
        }
        resolve();
      };
      call.onDrain = go;
      go();
      return promise;
    });
    stream.end(frame(asked));
    let receivedBytes = 0;
    stream.on("data", (piece: Buffer) => {
      receivedBytes += piece.length;
    });
    expect(await status).toBe(0);
    expect(waits).toBeGreaterThan(0);
    const size = toBinary(StreamChatCompletionResponseSchema, chunk).length;
    expect(receivedBytes).toBe(64 * (5 + size));
  });

  it.each([
    ["JSON", { "content-type": "application/grpc+json" }],
    ["gRPC-Web", { "content-type": "application/grpc-web+proto" }],
    ["compressed messages", { "grpc-encoding": "gzip" }],
  ])("leaves %s to others", async (_what, headers) => {
    const { stream, untouched, status } = await openCall(unasked, headers);
    stream.resume().end(frame(asked));
    await status;
    expect(untouched).toHaveLength(1);
  });
});
