// gRPC over HTTP/2 for methods that take one message: its frames, deadline, status and trailers, and nothing in between.
//
// Source: "gRPC over HTTP2" (grpc/doc/PROTOCOL-HTTP2.md). Malformed requests get the codes that connect-node gives them,
// which serves every other kind of call: streams from clients, compressed messages, JSON, gRPC-Web and Connect.
import { Buffer } from "node:buffer";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { type DescMethod, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { parseTimeout, setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { Cancellation } from "../platform/cancellation.ts";
import type { DoorRequest, DoorResponse } from "./listen.ts";

/** A method as this side serves it. */
export type GrpcMethod = {
  readonly method: DescMethod;
  /**
   * Answers one call: sends what it has to say, and resolves when that is all. What it throws is the call's status: a
   * ConnectError as it is, anything else as `internal`.
   */
  readonly serve: (message: Message, call: GrpcCall) => Promise<void>;
};

/** Serves a request that it can; false: it has not touched it. */
export type GrpcServer = (request: DoorRequest, response: DoorResponse) => boolean;

/** gRPC with protobuf, the only codec of this side. */
const contentType = /^application\/grpc(?:\+proto)?\s*(?:;|$)/i;
const answerType = "application/grpc+proto";
/** Compressed flag, and the message's length in four bytes. */
const prefixBytes = 5;
/** Timers of more are none (node). */
const timerMsMax = 2 ** 31 - 1;

/** Serves methods by their paths; `messageBytesMax` bounds the request's message. */
export function createGrpcServer(
  methods: readonly GrpcMethod[],
  messageBytesMax: number,
): GrpcServer {
  const byPath = new Map<string, GrpcMethod>(methods.map((one) => [pathOf(one.method), one]));
  return (request, response) => {
    if (!isHttp2(request) || request.method !== "POST") return false;
    const served = byPath.get(request.url);
    if (served === undefined || !isPlain(request)) return false;
    // The two come as a pair.
    const call = new GrpcCall(request, response as Http2ServerResponse, served);
    call.read(messageBytesMax);
    return true;
  };
}

/** Where a method is called ("gRPC over HTTP2", Path; the Connect protocol has the same). */
export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function isHttp2(request: DoorRequest): request is Http2ServerRequest {
  return request.httpVersionMajor === 2;
}

/** Whether a request is protobuf that is not compressed. */
function isPlain({ headers }: Http2ServerRequest): boolean {
  const encoding = headers["grpc-encoding"];
  return (
    contentType.test(headers["content-type"] ?? "") &&
    (encoding === undefined || encoding === "identity")
  );
}

/** One call. Its head goes out with the first message, or with the status where there is none. */
export class GrpcCall {
  readonly request: Http2ServerRequest;
  /** Thrown when the client has gone, or its deadline has passed. */
  readonly cancellation = new Cancellation();
  /** Milliseconds that the client gives the call; undefined: it does not say. */
  readonly timeoutMs: number | undefined;
  /** Called when there is room again. */
  onDrain: (() => void) | undefined = undefined;
  readonly #response: Http2ServerResponse;
  readonly #served: GrpcMethod;
  readonly #head: Record<string, string> = { "content-type": answerType };
  readonly #trailers: Record<string, string> = {};
  readonly #timeoutError: unknown;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pieces: Uint8Array[] = [];
  #size = 0;
  /** Nothing that still comes of the request counts. */
  #isRead = false;

  constructor(request: Http2ServerRequest, response: Http2ServerResponse, served: GrpcMethod) {
    this.request = request;
    this.#response = response;
    this.#served = served;
    const given = request.headers["grpc-timeout"];
    const timeout = parseTimeout(typeof given === "string" ? given : null, Infinity);
    this.timeoutMs = timeout.timeoutMs;
    this.#timeoutError = timeout.error;
    response.once("close", () => {
      clearTimeout(this.#timer);
      if (!response.writableEnded) this.cancellation.cancel("client_closed");
    });
  }

  /** Adds to a header of the answer's head, by its lower-case name. */
  addHeader(name: string, value: string): void {
    add(this.#head, name, value);
  }

  setHeader(name: string, value: string): void {
    this.#head[name] = value;
  }

  hasHeader(name: string): boolean {
    return name in this.#head;
  }

  /** Adds to a trailer, which go out with the status. */
  addTrailer(name: string, value: string): void {
    add(this.#trailers, name, value);
  }

  /** Sends messages in one write. False: the client reads slowly, wait for `onDrain`. */
  send(messages: readonly Message[]): boolean {
    const response = this.#response;
    if (response.destroyed || response.writableEnded || messages.length === 0) return true;
    this.#begin();
    if (response.write(this.#encode(messages))) return true;
    response.once("drain", () => this.onDrain?.());
    return false;
  }

  /** Cuts the call off, without a status. */
  cut(): void {
    this.#response.destroy();
  }

  /** Reads the one message, then has it served. What can be refused before its end is. */
  read(messageBytesMax: number): void {
    const { request, timeoutMs } = this;
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => this.#expire(), Math.min(timeoutMs, timerMsMax));
    }
    request.on("data", (piece: Uint8Array) => {
      if (this.#isRead) return;
      this.#size += piece.byteLength;
      this.#pieces.push(piece);
      if (this.#size > messageBytesMax + prefixBytes) this.#refuse(tooLarge(messageBytesMax));
    });
    request.once("end", () => {
      if (!this.#isRead) void this.#serve(messageBytesMax);
    });
    // The response's close says it too.
    request.on("error", () => {});
  }

  #expire(): void {
    this.cancellation.cancel("deadline");
    // A call that is being served says so itself.
    if (!this.#isRead) {
      this.#refuse(new ConnectError("the operation timed out", Code.DeadlineExceeded));
    }
  }

  /** The rest of the message is read and thrown away: an unread one keeps its window. */
  #refuse(status: ConnectError): void {
    this.#isRead = true;
    this.#pieces = [];
    this.#end(status);
  }

  async #serve(messageBytesMax: number): Promise<void> {
    this.#isRead = true;
    if (this.#response.destroyed) return;
    try {
      if (this.#timeoutError !== undefined) throw this.#timeoutError;
      await this.#served.serve(this.#parse(messageBytesMax), this);
      this.#end(undefined);
    } catch (thrown) {
      this.#end(toStatus(thrown));
    }
  }

  #parse(messageBytesMax: number): Message {
    const pieces = this.#pieces;
    this.#pieces = [];
    const bytes = pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
    if (bytes.byteLength === 0) throw malformed(Code.Unimplemented, "missing input message");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const hasPrefix = bytes.byteLength >= prefixBytes;
    const end = hasPrefix ? prefixBytes + view.getUint32(1) : Infinity;
    if (hasPrefix && end > prefixBytes + messageBytesMax) throw tooLarge(messageBytesMax);
    if (bytes.byteLength < end) throw malformed(Code.InvalidArgument, "incomplete envelope");
    if ((view.getUint8(0) & 1) === 1) {
      const message = "received compressed envelope, but do not know how to decompress";
      throw new ConnectError(message, Code.Internal);
    }
    if (bytes.byteLength > end) {
      throw malformed(Code.Unimplemented, "received extra input message");
    }
    return decode(this.#served.method, bytes.subarray(prefixBytes, end));
  }

  #encode(messages: readonly Message[]): Buffer {
    const { output } = this.#served.method;
    const encoded = messages.map((message) => toBinary(output, message));
    let size = 0;
    for (const { byteLength } of encoded) size += prefixBytes + byteLength;
    const frames = Buffer.allocUnsafe(size);
    let at = 0;
    for (const bytes of encoded) {
      frames[at] = 0;
      frames.writeUInt32BE(bytes.byteLength, at + 1);
      frames.set(bytes, at + prefixBytes);
      at += prefixBytes + bytes.byteLength;
    }
    return frames;
  }

  #begin(): void {
    if (!this.#response.headersSent) this.#response.writeHead(200, this.#head);
  }

  #end(status: ConnectError | undefined): void {
    const response = this.#response;
    if (response.destroyed || response.writableEnded) return;
    this.#begin();
    response.addTrailers(toTrailers(this.#trailers, status));
    response.end();
  }
}

function add(to: Record<string, string>, name: string, value: string): void {
  const before = to[name];
  to[name] = before === undefined ? value : `${before}, ${value}`;
}

function decode({ input }: DescMethod, bytes: Uint8Array): Message {
  try {
    return fromBinary(input, bytes);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new ConnectError(`parse binary: ${reason}`, Code.Internal);
  }
}

function tooLarge(messageBytesMax: number): ConnectError {
  const message = `message size is larger than configured readMaxBytes ${messageBytesMax}`;
  return new ConnectError(message, Code.ResourceExhausted);
}

function malformed(code: Code, what: string): ConnectError {
  return new ConnectError(`protocol error: ${what}`, code);
}

function toStatus(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  return new ConnectError("internal error", Code.Internal, undefined, undefined, thrown);
}

function toTrailers(
  own: Readonly<Record<string, string>>,
  status: ConnectError | undefined,
): Record<string, string> {
  if (status === undefined) return { ...own, "grpc-status": "0" };
  return Object.fromEntries(setTrailerStatus(new Headers(own), status));
}
