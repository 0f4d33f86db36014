// What every request passes first: its id, the browser's questions, and the choice between REST and RPC.
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import { addressHeader, readAddress } from "./address.ts";
import { handleCors } from "./cors.ts";
import { requestIdHeader } from "./headers.ts";
import type { DoorHandler, DoorRequest } from "./listen.ts";
import type { Reply } from "./reply.ts";
import { isOwnOrigin, ownOriginHeader } from "./session-cookie.ts";

/** What the front door needs. */
export type DoorOptions = {
  readonly rest: (request: DoorRequest, reply: Reply, context: RequestContext) => void;
  readonly rpc: DoorHandler;
  /** Type names of the services that are served over RPC. */
  readonly rpcServices: readonly string[];
  readonly corsOrigins: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly createRequestId: () => string;
};

/** What is known of a request before anything of it was read. */
export type RequestContext = {
  readonly requestId: string;
  /** Monotonic milliseconds. */
  readonly receivedAtMs: number;
  /** The network that it comes from, as `readAddress` says it. */
  readonly address: string;
};

const requestIdPattern = /^[\x21-\x7e]{1,128}$/;

/** The handler of all requests of one gateway. */
export function createDoor(options: DoorOptions): DoorHandler {
  const services = new Set(options.rpcServices);
  return (request, response) => {
    const receivedAtMs = options.clock.monotonicMs();
    const requestId = readRequestId(request) ?? options.createRequestId();
    const context = { requestId, receivedAtMs, address: readAddress(request) };
    logWhenDone(request, response, context, options);
    if (handleCors(request, response, options.corsOrigins, requestId)) {
      request.resume();
      return;
    }
    const url = request.url ?? "/";
    if (services.has(url.slice(1, url.indexOf("/", 1)))) {
      response.setHeader(requestIdHeader, requestId);
      request.headers[requestIdHeader] = requestId;
      request.headers[addressHeader] = context.address;
      request.headers[ownOriginHeader] = String(isOwnOrigin(request));
      options.rpc(request, response);
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

function logWhenDone(
  request: DoorRequest,
  response: Reply,
  { requestId, receivedAtMs }: RequestContext,
  { clock, log }: DoorOptions,
): void {
  response.once("close", () => {
    const { method, url = "/" } = request;
    const query = url.indexOf("?");
    log.info(
      {
        request_id: requestId,
        method,
        path: query < 0 ? url : url.slice(0, query),
        status: response.statusCode,
        complete: response.writableEnded,
        duration_ms: Math.round((clock.monotonicMs() - receivedAtMs) * 100) / 100,
      },
      "request",
    );
  });
}
