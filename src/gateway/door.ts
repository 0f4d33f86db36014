// What every request passes first: its id, the browser's questions, and the choice between REST and RPC.
import { type Door, Trail } from "../chat/trail.ts";
import type { Clock } from "../platform/clock.ts";
import { openTrace } from "../platform/trace-context.ts";
import { addressHeader, readAddress } from "./address.ts";
import { handleCors } from "./cors.ts";
import { requestIdHeader } from "./headers.ts";
import type { DoorHandler, DoorRequest, DoorResponse } from "./listen.ts";
import type { Observe } from "./observe.ts";
import type { Reply } from "./reply.ts";
import { isOwnOrigin, ownOriginHeader } from "./session-cookie.ts";

/** What the front door needs. */
export type DoorOptions = {
  readonly rest: (request: DoorRequest, reply: Reply, context: RequestContext) => void;
  readonly rpc: (request: DoorRequest, reply: DoorResponse, context: RequestContext) => void;
  /** Type names of the services that are served over RPC. */
  readonly rpcServices: readonly string[];
  readonly corsOrigins: readonly string[];
  readonly clock: Clock;
  /** Part of the traces that begin here and are exported, 0 to 1. Default: nothing is exported. */
  readonly sampleShare?: number | undefined;
  /** Told of each request when nothing more is to come of it. */
  readonly observe: Observe;
  readonly createRequestId: () => string;
};

/** What is known of a request before anything of it was read. */
export type RequestContext = {
  readonly requestId: string;
  /** Monotonic milliseconds. */
  readonly receivedAtMs: number;
  /** The network that it comes from, as `readAddress` says it. */
  readonly address: string;
  /** What is learnt of it on its way. */
  readonly trail: Trail;
};

const requestIdPattern = /^[\x21-\x7e]{1,128}$/;

/** The handler of all requests of one gateway. */
export function createDoor(options: DoorOptions): DoorHandler {
  const services = new Set(options.rpcServices);
  return (request, response) => {
    const receivedAtMs = options.clock.monotonicMs();
    const requestId = readRequestId(request) ?? options.createRequestId();
    const url = request.url ?? "/";
    const isRpc = services.has(url.slice(1, url.indexOf("/", 1)));
    const trace = openTrace(readTraceparent(request), options.sampleShare);
    const trail = new Trail(isRpc ? rpcDoorOf(request) : "rest", requestId, receivedAtMs, trace);
    const context = { requestId, receivedAtMs, address: readAddress(request), trail };
    observeWhenDone(request, response, trail, options);
    if (handleCors(request, response, options.corsOrigins, requestId)) {
      request.resume();
      return;
    }
    if (isRpc) {
      response.setHeader(requestIdHeader, requestId);
      request.headers[requestIdHeader] = requestId;
      request.headers[addressHeader] = context.address;
      request.headers[ownOriginHeader] = String(isOwnOrigin(request));
      options.rpc(request, response, context);
    } else {
      options.rest(request, response, context);
    }
  };
}

/** The client's own id, if it is one that can be echoed and logged. */
function readRequestId(request: DoorRequest): string | undefined {
  const given = request.headers[requestIdHeader];
  return typeof given === "string" && requestIdPattern.test(given) ? given : undefined;
}

function readTraceparent({ headers }: DoorRequest): string | undefined {
  const given = headers["traceparent"];
  return typeof given === "string" ? given : undefined;
}

/** Which of the protocols an RPC speaks, by its content type; Connect also calls by GET. */
function rpcDoorOf({ headers }: DoorRequest): Door {
  const type = headers["content-type"] ?? "";
  if (!type.startsWith("application/grpc")) return "connect";
  return type.startsWith("application/grpc-web") ? "grpc_web" : "grpc";
}

function observeWhenDone(
  request: DoorRequest,
  response: Reply,
  trail: Trail,
  { clock, observe }: DoorOptions,
): void {
  response.once("close", () => {
    const { method = "GET", url = "/" } = request;
    const query = url.indexOf("?");
    const end = {
      method,
      path: query < 0 ? url : url.slice(0, query),
      status: response.statusCode,
      complete: response.writableEnded,
      durationMs: clock.monotonicMs() - trail.receivedAtMs,
    };
    trail.whenEnded(() => observe(trail, end));
  });
}
