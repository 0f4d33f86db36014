// Connect, gRPC and gRPC-Web by connect-node, in front of the same methods as REST.
import {
  create,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type Message,
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
import type { RateView } from "../chat/rate.ts";
import type { Trail } from "../chat/trail.ts";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import type { Caller } from "../keys/verify.ts";
import { Cancellation } from "../platform/cancellation.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError, toErrorBody, toOptamilError } from "../platform/errors.ts";
import { validatorOf } from "../platform/validate.ts";
import { authorizeSoon, type Gate, scopeOf } from "./access.ts";
import { addressHeader } from "./address.ts";
import type { RequestContext } from "./door.ts";
import type { Exchange, MethodEntry } from "./exchange.ts";
import { requestIdHeader, setErrorHeaders } from "./headers.ts";
import { holdRefusal } from "./hold-refusal.ts";
import { readIdempotencyKey } from "./idempotency-key.ts";
import type { DoorRequest, DoorResponse } from "./listen.ts";
import { MessageSink } from "./message-sink.ts";
import { readQuality } from "./quality-header.ts";
import { type Rates, setRateHeaders } from "./rate-headers.ts";
import { endJson, type Reply } from "./reply.ts";
import { ownOriginHeader } from "./session-cookie.ts";
import { readTag } from "./tag-header.ts";

/** What the RPC door needs. */
export type RpcDoorOptions = {
  readonly entries: readonly MethodEntry[];
  /** Services of the protocol itself: health and reflection. Open to everybody. */
  readonly register: readonly ((router: ConnectRouter) => void)[];
  readonly gate: Gate;
  readonly clock: Clock;
  /** Largest request message, bytes. */
  readonly bodyBytesMax: number;
  /** Milliseconds until an answer must be complete, unless the client's deadline is sooner. */
  readonly answerTimeoutMs: number;
  readonly rates: Rates;
  /** Told of internal errors, with their cause. */
  readonly onError: (error: OptamilError, requestId: string) => void;
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
  const readOnly = new Set(options.entries.filter(isReadOnly).map(pathOf));
  return (request, response, { trail }) => {
    trails.set(request, trail);
    const refusal = refuseByHead(request, readOnly);
    if (refusal !== undefined) {
      trail.refused(refusal.row.type);
      endRefusal(request, response, refusal);
      return;
    }
    serve(request, response);
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

function pathOf({ method }: MethodEntry): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function registerEntry(router: ConnectRouter, entry: MethodEntry, options: RpcDoorOptions): void {
  const { method } = entry;
  const validate = validatorOf(method.input);
  const scope = scopeOf(method);
  const open = async (request: Message, context: HandlerContext, note: Note) => {
    const receivedAtMs = options.clock.monotonicMs();
    const header = (name: string) => context.requestHeader.get(name) ?? undefined;
    const address = header(addressHeader) ?? "";
    const ownOrigin = () => header(ownOriginHeader) === "true";
    const caller = await authorizeSoon(scope, { header, address, ownOrigin }, options.gate);
    const trail = trailOf(context);
    if (scope !== undefined) {
      note.caller = caller;
      trail.caller = caller;
    }
    validate(request);
    return {
      requestId: requestIdOf(context),
      address,
      caller,
      body: undefined,
      cancellation: cancellationOf(context),
      receivedAtMs,
      // A sooner deadline of the client's comes as a cancellation, which alone knows whose it was.
      timeoutMs: options.answerTimeoutMs,
      idempotencyKey: readIdempotencyKey(header),
      quality: readQuality(header),
      tag: readTag(header),
      trail,
      setHeader: (name: string, value: string) => context.responseHeader.append(name, value),
      showRate: (view: RateView) => {
        note.view = view;
      },
    };
  };
  if (isStreamed(method)) {
    router.rpc(method, (request, context) => stream(entry, request, context, open, options));
    return;
  }
  if (!isUnary(method)) throw new Error(`${method.name}: streams from clients are not served`);
  router.rpc(method, async (request, context) => {
    const note: Note = { caller: undefined, view: undefined };
    try {
      const exchange = await open(request, context, note);
      if (entry.kind === "unary" && entry.isRead) {
        await options.rates.admitRead(exchange.caller, exchange.showRate);
      }
      const answer = await answerOnce(entry, request, context, exchange);
      showRate(note, options, context.responseHeader);
      return answer;
    } catch (thrown) {
      throw await toConnectError(thrown, context, options, note);
    }
  });
}

const isStreamed = (method: DescMethod): method is DescMethodServerStreaming =>
  method.methodKind === "server_streaming";

const isUnary = (method: DescMethod): method is DescMethodUnary => method.methodKind === "unary";

type Open = (request: Message, context: HandlerContext, note: Note) => Promise<Exchange>;

/** What is learnt of one call while it runs, for its headers. */
type Note = { caller: Caller | undefined; view: RateView | undefined };

function showRate({ view }: Note, { clock }: RpcDoorOptions, headers: Headers): void {
  if (view !== undefined) {
    setRateHeaders(view, clock.wallMs(), (name, value) => headers.set(name, value));
  }
}

async function answerOnce(
  entry: MethodEntry,
  request: Message,
  context: HandlerContext,
  exchange: Exchange,
): Promise<Message> {
  // The entry was made for this method's input by `unary` or `answered`.
  const input = request as never;
  if (entry.kind === "unary") return entry.call(input, exchange);
  const setHeader = (name: string, value: string) => context.responseHeader.set(name, value);
  if (entry.kind === "rows") throw new Error(`${entry.method.name} streams`);
  const sink = new MessageSink(setHeader, entry.translate?.(exchange.requestId, input));
  await entry.call(input, exchange, sink);
  if (sink.answer === undefined) throw new Error(`${entry.method.name} gave no answer`);
  return sink.answer;
}

async function* stream(
  entry: MethodEntry,
  request: Message,
  context: HandlerContext,
  open: Open,
  options: RpcDoorOptions,
): AsyncGenerator<Message> {
  const note: Note = { caller: undefined, view: undefined };
  try {
    const exchange = await open(request, context, note);
    if (entry.kind === "rows") {
      await options.rates.admitRead(exchange.caller, exchange.showRate);
      showRate(note, options, context.responseHeader);
      // The entry was made for this method's input by `rows`.
      yield* entry.call(request as never, exchange);
      return;
    }
    if (entry.kind !== "answer") throw new Error(`${entry.method.name} does not stream`);
    const input = request as never;
    const sink = new MessageSink(
      (name, value) => context.responseHeader.set(name, value),
      entry.translate?.(exchange.requestId, input),
      () => showRate(note, options, context.responseHeader),
      (credits) => context.responseTrailer.set("x-optamil-credits", credits),
    );
    entry.call(input, exchange, sink).catch((thrown) => sink.abort(thrown));
    yield* sink;
  } catch (thrown) {
    throw await toConnectError(thrown, context, options, note);
  }
}

function requestIdOf(context: HandlerContext): string {
  return context.requestHeader.get(requestIdHeader) ?? "";
}

function trailOf(context: HandlerContext): Trail {
  const trail = context.values.get(trailKey);
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

/** A thrown value as connect-node sends it: the table's code, headers and a google.rpc.ErrorInfo. */
async function toConnectError(
  thrown: unknown,
  context: HandlerContext,
  options: RpcDoorOptions,
  note: Note,
): Promise<ConnectError> {
  if (thrown instanceof ConnectError) return thrown;
  const requestId = requestIdOf(context);
  const error = toOptamilError(thrown, requestId);
  if (error.code === "internal") options.onError(error, requestId);
  await holdRefusal(error);
  const { connect, type } = error.row;
  const info = {
    reason: type,
    domain: "optamil",
    metadata: error.param === undefined ? {} : { param: error.param },
  };
  const details = [{ desc: ErrorInfoSchema, value: create(ErrorInfoSchema, info) }];
  const result = new ConnectError(error.message, connect, undefined, details, error.cause);
  setErrorHeaders(error, (name, value) => result.metadata.set(name, value));
  // Headers that went out with the first message are not said again at the end.
  if (context.responseHeader.has("x-optamil-model")) return result;
  trailOf(context).refused(type);
  if (note.view === undefined && note.caller !== undefined) {
    note.view = await options.rates.current(note.caller).catch(() => undefined);
  }
  showRate(note, options, result.metadata);
  return result;
}
