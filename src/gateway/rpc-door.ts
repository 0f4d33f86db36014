// Connect, gRPC and gRPC-Web in front of the same methods as REST: by connect-node, plain gRPC without it.
import type {
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  Message,
} from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Trail } from "../chat/trail.ts";
import { Cancellation } from "../platform/cancellation.ts";
import { OptamilError, toErrorBody } from "../platform/errors.ts";
import type { RequestContext } from "./door.ts";
import type { Exchange, MethodEntry } from "./exchange.ts";
import { createGrpcServer, pathOf } from "./grpc-call.ts";
import { toGrpcMethods } from "./grpc-door.ts";
import { setErrorHeaders } from "./headers.ts";
import type { DoorRequest, DoorResponse } from "./listen.ts";
import { MessageSink } from "./message-sink.ts";
import { endJson, type Reply } from "./reply.ts";
import {
  createOpenCall,
  type Note,
  type OpenCall,
  type RpcCarrier,
  type RpcParts,
  showRate,
  toConnectError,
} from "./rpc-call.ts";

/** What the RPC door needs. */
export type RpcDoorOptions = RpcParts & {
  readonly entries: readonly MethodEntry[];
  /** Services of the protocol itself: health and reflection. Open to everybody. */
  readonly register: readonly ((router: ConnectRouter) => void)[];
  /** Largest request message, bytes. */
  readonly bodyBytesMax: number;
};

/** Handles one request. */
export type RpcDoor = (
  request: DoorRequest,
  response: DoorResponse,
  context: Pick<RequestContext, "trail">,
) => void;

/** The trail of a call, which connect-node hands on to its method. */
const trailKey = createContextKey<Trail | undefined>(undefined);

/** A handler for requests whose path is a registered method; it expects `x-request-id` in the request. */
export function createRpcDoor(options: RpcDoorOptions): RpcDoor {
  const trails = new WeakMap<DoorRequest, Trail>();
  const serve = connectNodeAdapter({
    contextValues: (request) => createContextValues().set(trailKey, trails.get(request)),
    readMaxBytes: options.bodyBytesMax,
    // Small messages are dearer to compress than to send.
    compressMinBytes: 16 * 1024,
    routes: (router) => {
      for (const register of options.register) register(router);
      for (const entry of options.entries) registerEntry(router, entry, options);
    },
    fallback: refuseUnknownMethod,
  });
  const trailOf = (request: DoorRequest) => must(trails.get(request));
  const serveGrpc = createGrpcServer(
    toGrpcMethods(options.entries, options, trailOf),
    options.bodyBytesMax,
  );
  const readOnly = new Set(options.entries.filter(isReadOnly).map(({ method }) => pathOf(method)));
  return (request, response, { trail }) => {
    trails.set(request, trail);
    const refusal = refuseByHead(request, readOnly);
    if (refusal !== undefined) {
      trail.refused(refusal.row.type);
      endRefusal(request, response, refusal);
      return;
    }
    if (!serveGrpc(request, response)) serve(request, response);
  };
}

/** gRPC and Connect clients read the status alone: `unimplemented`. */
function refuseUnknownMethod(request: DoorRequest, response: Reply): void {
  const path = (request.url ?? "").slice(0, 200);
  endRefusal(request, response, new OptamilError("not_found", `There is no method at ${path}.`));
}

function endRefusal(request: DoorRequest, response: Reply, error: OptamilError): void {
  request.resume();
  setErrorHeaders(error, (name, value) => response.setHeader(name, value));
  endJson(response, error.row.status, JSON.stringify(toErrorBody(error)));
}

/** Content types of Connect, gRPC and gRPC-Web, with the codecs that connect-node has. */
const rpcContentType =
  /^application\/(?:json|proto|connect\+(?:json|proto)|grpc(?:-web)?(?:\+(?:json|proto))?)\s*(?:;|$)/i;

/** Refuses what connect-node would answer with a bare status: HTTP methods and media types that no protocol has. */
function refuseByHead(
  request: DoorRequest,
  readOnly: ReadonlySet<string>,
): OptamilError | undefined {
  const { method = "", headers, url = "" } = request;
  if (method === "POST") {
    const type = headers["content-type"] ?? "none";
    if (rpcContentType.test(type)) return undefined;
    const message = `The content type '${type.slice(0, 100)}' is none of Connect, gRPC or gRPC-Web.`;
    return new OptamilError("unsupported_media_type", message);
  }
  if (method === "GET" && readOnly.has(url.split("?", 1)[0] ?? "")) return undefined;
  const message = `An RPC does not take ${method}; it takes POST.`;
  return new OptamilError("method_not_allowed", message, { allow: "POST" });
}

/** Whether Connect may call the method by GET (Connect protocol, "Unary-Get-Request"). */
function isReadOnly({ method }: MethodEntry): boolean {
  return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

function registerEntry(router: ConnectRouter, entry: MethodEntry, options: RpcDoorOptions): void {
  const { method } = entry;
  const open = createOpenCall(entry, options);
  if (isStreamed(method)) {
    router.rpc(method, (request, context) => stream(entry, request, context, open, options));
    return;
  }
  if (!isUnary(method)) throw new Error(`${method.name}: streams from clients are not served`);
  router.rpc(method, async (request, context) => {
    const note: Note = { caller: undefined, view: undefined };
    const carrier = carrierOf(context);
    try {
      const exchange = await open(request, carrier, note);
      const answer = await answerOnce(entry, request, carrier, exchange);
      showRate(note, options, carrier.setHeader);
      return answer;
    } catch (thrown) {
      throw await toConnectError(thrown, carrier, options, note);
    }
  });
}

const isStreamed = (method: DescMethod): method is DescMethodServerStreaming =>
  method.methodKind === "server_streaming";

const isUnary = (method: DescMethod): method is DescMethodUnary => method.methodKind === "unary";

async function answerOnce(
  entry: MethodEntry,
  request: Message,
  carrier: RpcCarrier,
  exchange: Exchange,
): Promise<Message> {
  // The entry was made for this method's input by `unary` or `answered`.
  const input = request as never;
  if (entry.kind === "unary") return entry.call(input, exchange);
  if (entry.kind === "rows") throw new Error(`${entry.method.name} streams`);
  const sink = new MessageSink(carrier.setHeader, entry.translate?.(exchange.requestId, input));
  await entry.call(input, exchange, sink);
  if (sink.answer === undefined) throw new Error(`${entry.method.name} gave no answer`);
  return sink.answer;
}

async function* stream(
  entry: MethodEntry,
  request: Message,
  context: HandlerContext,
  open: OpenCall,
  options: RpcDoorOptions,
): AsyncGenerator<Message> {
  const note: Note = { caller: undefined, view: undefined };
  const carrier = carrierOf(context);
  try {
    const exchange = await open(request, carrier, note);
    if (entry.kind === "rows") {
      showRate(note, options, carrier.setHeader);
      // The entry was made for this method's input by `rows`.
      yield* entry.call(request as never, exchange);
      return;
    }
    if (entry.kind !== "answer") throw new Error(`${entry.method.name} does not stream`);
    const input = request as never;
    const sink = new MessageSink(
      carrier.setHeader,
      entry.translate?.(exchange.requestId, input),
      () => showRate(note, options, carrier.setHeader),
      (credits) => context.responseTrailer.set("x-optamil-credits", credits),
    );
    entry.call(input, exchange, sink).catch((thrown) => sink.abort(thrown));
    yield* sink;
  } catch (thrown) {
    throw await toConnectError(thrown, carrier, options, note);
  }
}

function carrierOf(context: HandlerContext): RpcCarrier {
  const { requestHeader, responseHeader } = context;
  return {
    header: (name) => requestHeader.get(name) ?? undefined,
    addHeader: (name, value) => responseHeader.append(name, value),
    setHeader: (name, value) => responseHeader.set(name, value),
    hasHeader: (name) => responseHeader.has(name),
    cancellation: cancellationOf(context),
    trail: must(context.values.get(trailKey)),
  };
}

function must(trail: Trail | undefined): Trail {
  if (trail === undefined) throw new Error("the front door gave no trail");
  return trail;
}

function cancellationOf(context: HandlerContext): Cancellation {
  const cancellation = new Cancellation();
  const { signal } = context;
  signal.addEventListener("abort", () => {
    const { reason } = signal;
    const late = reason instanceof ConnectError && reason.code === Code.DeadlineExceeded;
    cancellation.cancel(late ? "deadline" : "client_closed");
  });
  return cancellation;
}
