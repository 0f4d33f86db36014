/** The conformance service, as its proto describes it, over descriptors that are read at run time. */
import { setTimeout as wait } from "node:timers/promises";
import { create, type DescMethod, type DescService, type Message } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import {
  type Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
} from "@connectrpc/connect";
import type { GrpcCall, GrpcMethod } from "../../src/gateway/grpc-call.ts";

/** What the methods see of a call, whatever carries it. */
export type CallContext = Pick<HandlerContext, "timeoutMs" | "requestMethod" | "url"> & {
  readonly requestHeader: Headers;
  readonly responseHeader: Pick<Headers, "append">;
  readonly responseTrailer: Pick<Headers, "append">;
};

type Header = { name: string; value: string[] };

type ErrorDefinition = { code: Code; message?: string; details: Any[] };

type Definition = {
  responseHeaders: Header[];
  responseTrailers: Header[];
  responseDelayMs: number;
};

type UnaryDefinition = Definition & {
  response:
    | { case: "responseData"; value: Uint8Array }
    | { case: "error"; value: ErrorDefinition }
    | { case: undefined };
};

type StreamDefinition = Definition & { responseData: Uint8Array[]; error?: ErrorDefinition };

type UnaryRequest = Message & { responseDefinition?: UnaryDefinition };

type StreamRequest = Message & { responseDefinition?: StreamDefinition; fullDuplex?: boolean };

/** Registers the methods of `connectrpc.conformance.v1.ConformanceService`, all but `Unimplemented`. */
export function registerConformance(router: ConnectRouter, service: DescService): void {
  for (const method of service.methods) {
    if (method.name !== "Unimplemented") registerMethod(router, method);
  }
}

/** The same for the two kinds of calls that plain gRPC serves. */
export function conformanceGrpcMethods(service: DescService): GrpcMethod[] {
  return service.methods
    .filter(({ name }) => name !== "Unimplemented")
    .flatMap((method) => {
      const serve = grpcServe(method);
      return serve === undefined ? [] : { method, serve };
    });
}

function grpcServe(method: DescMethod): GrpcMethod["serve"] | undefined {
  if (isKind(method, "unary")) {
    return async (message, call) => {
      call.send([await answerOnce(method, [message as UnaryRequest], contextOf(call))]);
    };
  }
  if (!isKind(method, "server_streaming")) return undefined;
  return async (message, call) => {
    const request = message as StreamRequest;
    const context = contextOf(call);
    sendMetadata(request.responseDefinition, context);
    for await (const answer of answerRest(
      method,
      request.responseDefinition,
      [request],
      context,
      0,
    )) {
      call.send([answer]);
    }
  };
}

function contextOf(call: GrpcCall): CallContext {
  const pairs = Object.entries(call.request.headers)
    .filter(([name]) => !name.startsWith(":"))
    .map(([name, value]): [string, string] => [name, String(value)]);
  return {
    requestHeader: new Headers(pairs),
    requestMethod: "POST",
    url: call.request.url,
    timeoutMs: () => call.timeoutMs,
    responseHeader: { append: (name, value) => call.addHeader(name, value) },
    responseTrailer: { append: (name, value) => call.addTrailer(name, value) },
  };
}

function registerMethod(router: ConnectRouter, method: DescMethod): void {
  if (isKind(method, "unary")) {
    router.rpc(method, (request: UnaryRequest, context) => answerOnce(method, [request], context));
  } else if (isKind(method, "client_streaming")) {
    router.rpc(method, async (stream: AsyncIterable<UnaryRequest>, context) => {
      const requests: UnaryRequest[] = [];
      for await (const request of stream) requests.push(request);
      return answerOnce(method, requests, context);
    });
  } else if (isKind(method, "server_streaming")) {
    router.rpc(method, (request: StreamRequest, context) => {
      sendMetadata(request.responseDefinition, context);
      return answerRest(method, request.responseDefinition, [request], context, 0);
    });
  } else if (isKind(method, "bidi_streaming")) {
    router.rpc(method, (stream: AsyncIterable<StreamRequest>, context) =>
      answerBidi(method, stream, context),
    );
  }
}

// The interface of descriptors that come at run time does not narrow by itself.
function isKind<Kind extends DescMethod["methodKind"]>(
  method: DescMethod,
  kind: Kind,
): method is DescMethod & { methodKind: Kind } {
  return method.methodKind === kind;
}

async function answerOnce(
  method: DescMethod,
  requests: UnaryRequest[],
  context: CallContext,
): Promise<Message> {
  const definition = requests[0]?.responseDefinition;
  sendMetadata(definition, context);
  const requestInfo = describeRequest(method, requests, context);
  await wait(definition?.responseDelayMs ?? 0);
  const response = definition?.response;
  if (response?.case === "error") throw toConnectError(response.value, method, requestInfo);
  const data = response?.case === "responseData" ? response.value : new Uint8Array();
  return create(method.output, { payload: { data, requestInfo } });
}

async function* answerBidi(
  method: DescMethod,
  stream: AsyncIterable<StreamRequest>,
  context: CallContext,
): AsyncGenerator<Message> {
  const requests: StreamRequest[] = [];
  let definition: StreamDefinition | undefined;
  let fullDuplex = false;
  let sent = 0;
  for await (const request of stream) {
    if (definition === undefined) {
      definition = request.responseDefinition;
      fullDuplex = request.fullDuplex ?? false;
      sendMetadata(definition, context);
    }
    requests.push(request);
    if (!fullDuplex) continue;
    const data = definition?.responseData[sent];
    if (data === undefined) break;
    const requestInfo =
      sent === 0
        ? describeRequest(method, requests, context)
        : { requests: requests.map((message) => anyPack(method.input, message)) };
    requests.length = 0;
    await wait(definition?.responseDelayMs ?? 0);
    yield create(method.output, { payload: { data, requestInfo } });
    sent += 1;
  }
  yield* answerRest(method, definition, requests, context, sent);
}

/** Sends the responses after the first `sent`, then the error. Only a very first response describes the request. */
async function* answerRest(
  method: DescMethod,
  definition: StreamDefinition | undefined,
  requests: StreamRequest[],
  context: CallContext,
  sent: number,
): AsyncGenerator<Message> {
  if (definition === undefined) return;
  const first = sent === 0 ? describeRequest(method, requests, context) : undefined;
  let requestInfo = first;
  for (const data of definition.responseData.slice(sent)) {
    await wait(definition.responseDelayMs);
    yield create(method.output, { payload: requestInfo ? { data, requestInfo } : { data } });
    requestInfo = undefined;
  }
  if (definition.error) throw toConnectError(definition.error, method, requestInfo);
}

function sendMetadata(definition: Definition | undefined, context: CallContext): void {
  for (const [target, headers] of [
    [context.responseHeader, definition?.responseHeaders],
    [context.responseTrailer, definition?.responseTrailers],
  ] as const) {
    for (const { name, value } of headers ?? []) {
      for (const one of value) target.append(name, one);
    }
  }
}

/** A `ConformancePayload.RequestInfo`. */
function describeRequest(method: DescMethod, requests: Message[], context: CallContext) {
  const timeoutMs = context.timeoutMs();
  const query = context.requestMethod === "GET" ? new URL(context.url).searchParams : undefined;
  return {
    requestHeaders: toHeaders(context.requestHeader),
    requests: requests.map((request) => anyPack(method.input, request)),
    ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.trunc(timeoutMs)) }),
    ...(query && { connectGetInfo: { queryParams: toHeaders(query) } }),
  };
}

function toHeaders(pairs: Headers | URLSearchParams): Header[] {
  return [...pairs].map(([name, value]) => ({ name, value: [value] }));
}

function toConnectError(
  { code, message, details }: ErrorDefinition,
  method: DescMethod,
  requestInfo: Record<string, unknown> | undefined,
): ConnectError {
  const error = new ConnectError(message ?? "", code);
  error.details = details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  const payload = method.output.field["payload"]?.message;
  const desc = payload?.field["requestInfo"]?.message;
  if (requestInfo && desc) error.details.push({ desc, value: create(desc, requestInfo) });
  return error;
}
