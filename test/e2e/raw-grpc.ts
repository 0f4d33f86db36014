/** gRPC below the level of a library: bytes that no client would send, and what comes back for them. */
import { connect, constants, type IncomingHttpHeaders } from "node:http2";
import { toBinary } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import type { ChatRequest, HeaderMap } from "./doors.ts";

const codec = jsonCodec(CreateChatCompletionRequestSchema);

/** The binary form of a chat request. */
export function chatMessage(request: ChatRequest): Uint8Array {
  return toBinary(CreateChatCompletionRequestSchema, codec.decode(request));
}

/** A length-prefixed message; a header may lie about what follows. */
export function frame(message: Uint8Array, { flags = 0, length = message.length } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
}

/**
 * Sends bytes as the body of a gRPC call and gives the error that it ends with, if it does. With `reset`
 * the client cancels the call at once.
 */
export async function callGrpc(
  url: string,
  path: string,
  bytes: Uint8Array,
  headers: HeaderMap,
  { reset = false } = {},
): Promise<ConnectError | undefined> {
  const session = connect(url);
  const { promise, resolve, reject } = Promise.withResolvers<ConnectError | undefined>();
  session.on("error", reject);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  const all = new Headers();
  const add = (received: IncomingHttpHeaders) => {
    for (const [name, value] of Object.entries(received)) {
      if (!name.startsWith(":")) all.set(name, String(value));
    }
  };
  stream.on("response", add).on("trailers", add).on("error", reject).resume();
  stream.on("close", () => {
    const error = findTrailerError(all);
    for (const [name, value] of all) error?.metadata.set(name, value);
    resolve(error);
  });
  stream.end(bytes);
  if (reset) stream.close(constants.NGHTTP2_CANCEL);
  return promise.finally(() => session.close());
}
