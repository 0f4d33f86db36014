// The gateway's methods over plain gRPC: answers go out as they are made, without a queue in between.
import type { Message } from "@bufbuild/protobuf";
import type { AnswerHead, AnswerSink } from "../chat/call.ts";
import type { Trail } from "../chat/trail.ts";
import type {
  CreateChatCompletionResponse,
  StreamChatCompletionResponse,
} from "../gen/optamil/v1/chat_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import { toDropped } from "./dropped.ts";
import type { AnswerTranslator, MethodEntry } from "./exchange.ts";
import type { GrpcCall, GrpcMethod } from "./grpc-call.ts";
import { readHeader, setAnswerHeaders, toCredits } from "./headers.ts";
import type { DoorRequest } from "./listen.ts";
import { stallTimeoutMs } from "./reply.ts";
import {
  createOpenCall,
  type Note,
  type OpenCall,
  type RpcCarrier,
  type RpcParts,
  showRate,
  toConnectError,
} from "./rpc-call.ts";

/** All methods but those that stream rows, which wait for their reader: connect-node serves them. */
export function toGrpcMethods(
  entries: readonly MethodEntry[],
  parts: RpcParts,
  trailOf: (request: DoorRequest) => Trail,
): readonly GrpcMethod[] {
  return entries
    .filter(({ kind }) => kind !== "rows")
    .map((entry) => {
      const open = createOpenCall(entry, parts);
      return {
        method: entry.method,
        serve: (message, call) =>
          serve(message, call, { entry, open, parts, trail: trailOf(call.request) }),
      };
    });
}

type Serving = {
  readonly entry: MethodEntry;
  readonly open: OpenCall;
  readonly parts: RpcParts;
  readonly trail: Trail;
};

async function serve(message: Message, call: GrpcCall, serving: Serving): Promise<void> {
  const { entry, open, parts, trail } = serving;
  const note: Note = { caller: undefined, view: undefined };
  const carrier = carrierOf(call, trail);
  try {
    const exchange = await open(message, carrier, note);
    // The entry was made for this method's input by `unary` or `answered`.
    const input = message as never;
    const showLimits = () => showRate(note, parts, carrier.setHeader);
    if (entry.kind === "unary") {
      const answer = await entry.call(input, exchange);
      showLimits();
      call.send([answer]);
      return;
    }
    if (entry.kind === "rows") throw new Error(`${entry.method.name} streams rows`);
    const sink = new GrpcSink(call, {
      translator: entry.translate?.(exchange.requestId, input),
      onHead: showLimits,
    });
    try {
      await entry.call(input, exchange, sink);
    } finally {
      sink.close();
    }
    if (sink.failure !== undefined) throw sink.failure;
  } catch (thrown) {
    throw await toConnectError(thrown, carrier, parts, note);
  }
}

function carrierOf(call: GrpcCall, trail: Trail): RpcCarrier {
  const { headers } = call.request;
  return {
    header: (name) => readHeader(headers, name),
    addHeader: (name, value) => call.addHeader(name, value),
    setHeader: (name, value) => call.setHeader(name, value),
    hasHeader: (name) => call.hasHeader(name),
    cancellation: call.cancellation,
    trail,
  };
}

type SinkParts = {
  /** Undefined where the method's messages are the chat's own. */
  readonly translator: AnswerTranslator | undefined;
  /** Told when the head is due, for headers that are not the answer's own. */
  readonly onHead: () => void;
};

/** The sink of one call. */
class GrpcSink implements AnswerSink {
  readonly form = "messages";
  onDrain: (() => void) | undefined = undefined;
  /** What a stream broke off with. */
  failure: OptamilError | undefined = undefined;
  readonly #call: GrpcCall;
  readonly #parts: SinkParts;
  #isHeaded = false;
  #stall: ReturnType<typeof setTimeout> | undefined;

  constructor(call: GrpcCall, parts: SinkParts) {
    this.#call = call;
    this.#parts = parts;
    call.onDrain = () => {
      clearTimeout(this.#stall);
      this.#stall = undefined;
      this.onDrain?.();
    };
  }

  head(head: AnswerHead): void {
    if (this.#isHeaded) return;
    this.#isHeaded = true;
    const dropped = toDropped(this.#parts.translator, head.dropped);
    setAnswerHeaders(head, (name, value) => this.#call.setHeader(name, value), dropped);
    this.#parts.onHead();
  }

  json(): void {
    throw new Error("an RPC takes messages");
  }

  message(message: CreateChatCompletionResponse): void {
    this.#send([this.#parts.translator?.whole(message) ?? message]);
  }

  events(): boolean {
    throw new Error("an RPC takes messages");
  }

  chunks(chunks: readonly StreamChatCompletionResponse[]): boolean {
    return this.#send(this.#parts.translator?.chunks(chunks) ?? chunks);
  }

  /** HTTP/2 has pings of its own. */
  ping(): void {}

  end(creditsMicro: bigint): void {
    this.#call.addTrailer("x-optamil-credits", toCredits(creditsMicro));
    this.#send(this.#parts.translator?.end() ?? []);
  }

  fail(error: OptamilError): void {
    this.failure = error;
  }

  /** Ends its timer. */
  close(): void {
    clearTimeout(this.#stall);
    this.#call.onDrain = undefined;
  }

  #send(messages: readonly Message[]): boolean {
    if (this.#call.send(messages)) return true;
    this.#stall ??= setTimeout(() => this.#call.cut(), stallTimeoutMs);
    return false;
  }
}
