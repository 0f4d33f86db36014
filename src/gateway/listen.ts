// One port for HTTP/1.1 and HTTP/2, cleartext or TLS, in front of one handler.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { setImmediate, setTimeout } from "node:timers/promises";
import { invalidRequest, toErrorBody } from "../platform/errors.ts";
import {
  createSniffingEntrance,
  createTlsEntrance,
  type Enter,
  type TlsKeyPair,
} from "./listen-entrance.ts";
import { createHttp1Server } from "./listen-http1.ts";
import { createHttp2Server } from "./listen-http2.ts";
import { openPort } from "./listen-port.ts";

/** A request, whichever HTTP it came by. */
export type DoorRequest = IncomingMessage | Http2ServerRequest;

/** The answer to a `DoorRequest`. */
export type DoorResponse = ServerResponse | Http2ServerResponse;

/**
 * Answers a request; it must not throw. The request has an authority that a URL can be made of. The
 * response's `close` without `writableEnded` says that the client has left.
 */
export type DoorHandler = (request: DoorRequest, response: DoorResponse) => void;

/** Settings of `listen`. */
export type ListenOptions = {
  /** Default 127.0.0.1: who opens the port to others says so. */
  readonly host?: string;
  /** Default 0: any free port. */
  readonly port?: number;
  /** Whether other processes listen on the same port too (`SO_REUSEPORT`): the kernel spreads connections over them. Default false. */
  readonly shared?: boolean;
  /** Default: cleartext, as TLS mostly ends at a load balancer. */
  readonly tls?: TlsKeyPair;
  /** Until a connection's protocol is known, a TLS handshake included. Default 10,000: a slow mobile link. */
  readonly sniffTimeoutMs?: number;
  /** For the header of an HTTP/1.1 request. Default 10,000, as it fits one packet or a few. */
  readonly headersTimeoutMs?: number;
  /** From an HTTP/1.1 head to the end of its body, and for a whole HTTP/2 request. Default 60,000: 32 MiB at 4.5 Mbit/s. At least `headersTimeoutMs`. */
  readonly requestTimeoutMs?: number;
  /** For a connection without a running request. Default 65,000: above the 60 s of common balancers. */
  readonly idleTimeoutMs?: number;
  /** Bytes of a request's header. Default 16,384, node's own: our keys are below 1 kB. */
  readonly maxHeaderBytes?: number;
  /** Requests at once on one HTTP/2 connection. Default 256: RFC 9113 §6.5.2 wants 100 or more. */
  readonly maxConcurrentStreams?: number;
  /**
   * Of silence, before a stop closes connections that are idle. What a proxy sends on one that it has kept may be on its way
   * while that is closed, and may not be sent again: such requests are answered, each as the last one of its connection. Default
   * 1,000: a proxy with few requests is silent for a quarter of a second now and then, and a busy machine hears late of all.
   */
  readonly waneMs?: number;
  /** Connections at once; one more is closed unanswered. Default 10,000: some 500 MB when all are busy. */
  readonly connectionsMax?: number;
};

/** Counts of a listener. */
export type ListenerStats = {
  /** Connections that are open now. */
  readonly connectionsOpen: number;
  /** Connections closed since the start because `connectionsMax` or the system's limit was reached. */
  readonly connectionsRefused: number;
  /** Requests whose answer is not finished now. */
  readonly requestsRunning: number;
};

/** An open port. */
export type Listener = {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  /** What it does right now. */
  stats(): ListenerStats;
  /**
   * Stops: takes no more connections, ends those that stay idle for a moment more, tells the others' clients
   * (`connection: close`, GOAWAY), gives running requests `drainMs` and then cuts them. Resolves when no connection is left.
   */
  close(options: { readonly drainMs: number }): Promise<void>;
};

/** Times of silence after which a stop goes on although requests still come. */
const wanesMax = 5;

/** Listens for HTTP/1.1 and HTTP/2 on one port. Rejects when the port cannot be had. */
export async function listen(handler: DoorHandler, options: ListenOptions = {}): Promise<Listener> {
  const { host = "127.0.0.1", port = 0, connectionsMax = 10_000, tls } = options;
  const { sniffTimeoutMs = 10_000, idleTimeoutMs = 65_000, maxHeaderBytes = 16_384 } = options;
  const { headersTimeoutMs = 10_000, requestTimeoutMs = 60_000 } = options;
  const { maxConcurrentStreams = 256, shared = false, waneMs = 1_000 } = options;

  const serve = refuseUnusable(handler);
  const limits = { requestTimeoutMs, idleTimeoutMs, maxHeaderBytes };
  const http1 = createHttp1Server(serve, { ...limits, headersTimeoutMs });
  const http2 = createHttp2Server(serve, { ...limits, maxConcurrentStreams });
  const enter: Enter = (socket, protocol) => (protocol === "http2" ? http2 : http1).take(socket);
  const entrance = tls
    ? createTlsEntrance(tls, sniffTimeoutMs, enter)
    : createSniffingEntrance(sniffTimeoutMs, enter);
  const halfOpen = tls === undefined;
  const open = await openPort(entrance.admit, { host, port, connectionsMax, halfOpen, shared });

  /** Until nobody uses the connections that are left. */
  async function untilUnused(drainMs: number): Promise<void> {
    const begun = () => http1.requestsBegun() + http2.requestsBegun();
    const endMs = performance.now() + Math.min(wanesMax * waneMs, drainMs);
    // A connection of which nothing was read yet may have its first request on the way.
    const isUsed = (seen: number) => seen !== begun() || entrance.waiting() > 0;
    for (let seen = -1; isUsed(seen) && open.connectionsOpen() > 0; ) {
      if (performance.now() >= endMs) return;
      seen = begun();
      await setTimeout(Math.min(waneMs, drainMs));
      // What arrived while this process had no turn is read first.
      await setImmediate();
    }
  }

  async function stop(drainMs: number): Promise<void> {
    // While clients still keep their connections they hardly open new ones, of which one may meet the closing port.
    await open.stopAccepting();
    http1.wane();
    http2.wane();
    const emptied = open.close(drainMs, () => {
      http1.cut();
      http2.cut();
    });
    await untilUnused(drainMs);
    entrance.drain();
    http1.drain();
    http2.drain();
    await emptied;
    http1.close();
    http2.close();
  }
  let stopped: Promise<void> | undefined;

  return {
    url: `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${open.port}`,
    port: open.port,
    stats: () => ({
      connectionsOpen: open.connectionsOpen(),
      connectionsRefused: open.connectionsRefused(),
      requestsRunning: http1.requestsRunning() + http2.requestsRunning(),
    }),
    close({ drainMs }) {
      stopped ??= stop(drainMs);
      return stopped;
    },
  };
}

/** Answers 400 to a request of whose host no URL can be made (RFC 9110 §7.2, RFC 9112 §3.2). */
function refuseUnusable(handler: DoorHandler): DoorHandler {
  return (request, response) => {
    const authority = "authority" in request ? request.authority : request.headers.host;
    if (authority !== undefined && URL.canParse(`http://${authority}`)) {
      handler(request, response);
      return;
    }
    const body = JSON.stringify(toErrorBody(invalidRequest("The request names no valid host.")));
    request.resume();
    response.statusCode = 400;
    response.setHeader("content-type", "application/json");
    response.end(body);
  };
}
