// Serves HTTP/1.1 on connections that another server accepted.
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { invalidRequest, OptamilError, toErrorBody } from "../platform/errors.ts";

/** Limits of the HTTP/1.1 side; `listen` documents their defaults. */
export type Http1Limits = {
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxHeaderBytes: number;
};

/** What `listen` does with the side of one protocol. */
export type ProtocolServer = {
  /** Serves a connection; one that comes after `drain` is closed. */
  take(socket: Socket): void;
  /** Makes each answer, where the protocol can say so, the last one of its connection. */
  wane(): void;
  /** Takes no more requests: idle connections end now, busy ones after their running requests. */
  drain(): void;
  /** Ends what still runs, so that its clients see an error and no end. */
  cut(): void;
  /** Requests without a finished answer. */
  requestsRunning(): number;
  /** All requests so far. */
  requestsBegun(): number;
  /** Ends timers; for when no connection is left. */
  close(): void;
};

type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse };

/** One connection: how many of its requests are unanswered, and the last one that was read. */
type Connection = {
  running: number;
  newest: Exchange | undefined;
  /** When that one's head was there, milliseconds of the monotonic clock. */
  newestAtMs: number;
  /** Since when a head is waited for: the first one from the start, the others once some of it is there. */
  headSinceMs: number | undefined;
  /** What had been read when the last answer was given, bytes: more than that is the next head. */
  bytesAnswered: number;
  closing: boolean;
};

// After a refusal the client may still send: a reset at once could take the answer from it.
const lingerMs = 1_000;
// How much later than its limit a slow request may be found.
const checkIntervalMsMax = 1_000;

/**
 * Creates an HTTP/1.1 server that listens nowhere.
 *
 * What the parser refuses is answered in the error table's shape: 408 for a request that came too
 * slowly, else 400. node's parser is strict by default: Content-Length beside Transfer-Encoding, a
 * bare LF and their kin are refused.
 */
export function createHttp1Server(handler: RequestListener, limits: Http1Limits): ProtocolServer {
  const connections = new Map<Socket, Connection>();
  let begun = 0;
  let waning = false;
  let draining = false;

  const server = createServer(
    {
      // Its own check is not armed: Deno 2.8 finds idle connections slow by it, and breaks their parser.
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: limits.idleTimeoutMs,
      maxHeaderSize: limits.maxHeaderBytes,
    },
    (request, response) => {
      const { socket } = request;
      const connection = connections.get(socket);
      // Its answer could not be sent any more, so it must not cost anybody anything.
      if (connection === undefined || connection.closing) return;
      begun += 1;
      begin({ request, response }, connection, socket);
      if (waning) closeWhenAnswered(socket, connection);
      handler(request, response);
    },
  );
  // Deno closes the connection after one answer unless the server says that it listens.
  Object.defineProperty(server, "listening", { value: true });

  server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) => {
    const connection = connections.get(socket);
    if (connection?.closing) return;
    if (connection === undefined || !socket.writable || error.code === "ECONNRESET") {
      socket.destroy();
      return;
    }
    refuse(socket, connection, toRefusal(error, limits));
  });

  const check = checkEvery(connections, limits);

  return {
    take(socket) {
      if (draining) {
        socket.destroy();
        return;
      }
      connections.set(socket, openConnection());
      socket.once("close", () => connections.delete(socket));
      server.emit("connection", socket);
    },
    wane() {
      waning = true;
      const busy = [...connections].filter(([, connection]) => !hasPromised(connection));
      for (const [socket, connection] of busy) closeWhenAnswered(socket, connection);
    },
    drain() {
      draining = true;
      for (const [socket, connection] of connections) closeWhenAnswered(socket, connection);
    },
    cut() {
      for (const socket of connections.keys()) socket.destroy();
    },
    requestsRunning: () => [...connections.values()].reduce((sum, { running }) => sum + running, 0),
    requestsBegun: () => begun,
    close() {
      clearInterval(check);
      server.close();
    },
  };
}

/** Whether a client may use the connection again as soon as what runs has ended: no head has said anything else. */
function hasPromised({ running, newest }: Connection): boolean {
  return running === 0 || newest === undefined || newest.response.headersSent;
}

function begin(exchange: Exchange, connection: Connection, socket: Socket): void {
  connection.running += 1;
  connection.newest = exchange;
  connection.newestAtMs = performance.now();
  connection.headSinceMs = undefined;
  exchange.response.once("close", () => {
    connection.running -= 1;
    // The request has forgotten its socket if that has closed.
    connection.bytesAnswered = socket.bytesRead;
  });
}

function openConnection(): Connection {
  return {
    running: 0,
    newest: undefined,
    newestAtMs: 0,
    headSinceMs: performance.now(),
    bytesAnswered: 0,
    closing: false,
  };
}

/** Looks for slow requests again and again; the timer is the caller's to clear. */
function checkEvery(
  connections: ReadonlyMap<Socket, Connection>,
  limits: Http1Limits,
): ReturnType<typeof setInterval> {
  const look = () => {
    const nowMs = performance.now();
    for (const [socket, connection] of connections) {
      if (!isSlow(socket, connection, nowMs, limits)) continue;
      refuse(
        socket,
        connection,
        new OptamilError("timeout", "The request did not arrive in time."),
      );
    }
  };
  return setInterval(look, Math.min(limits.headersTimeoutMs / 2, checkIntervalMsMax));
}

/** Whether a request is being read for longer than it may: its head, or after that its body. */
function isSlow(
  socket: Socket,
  connection: Connection,
  nowMs: number,
  { headersTimeoutMs, requestTimeoutMs }: Http1Limits,
): boolean {
  const { newest, newestAtMs, running, bytesAnswered, closing } = connection;
  if (closing) return false;
  if (newest !== undefined && !newest.request.complete) {
    return nowMs - newestAtMs >= requestTimeoutMs;
  }
  // What is read while an answer is under way waits for it.
  if (running > 0) return false;
  if (socket.bytesRead > bytesAnswered) connection.headSinceMs ??= nowMs;
  const { headSinceMs } = connection;
  return headSinceMs !== undefined && nowMs - headSinceMs >= headersTimeoutMs;
}

function toRefusal(error: NodeJS.ErrnoException, limits: Http1Limits): OptamilError {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return invalidRequest(`The request's header is larger than ${limits.maxHeaderBytes} bytes.`);
    default:
      return invalidRequest("The request is not well-formed HTTP/1.1.");
  }
}

/** Refuses what cannot be read any further, without breaking into an answer that is under way. */
function refuse(socket: Socket, connection: Connection, refusal: OptamilError): void {
  const { newest, running } = connection;
  if (newest !== undefined && !newest.request.complete) {
    // The fault is in its body; with its answer begun or given, a refusal would pass for another one.
    if (running === 1 && !newest.response.headersSent) sendRefusal(socket, connection, refusal);
    else socket.destroy();
  } else if (running === 0) {
    sendRefusal(socket, connection, refusal);
  } else {
    // The fault is in what follows good requests, whose client still waits for their answers.
    closeWhenAnswered(socket, connection);
  }
}

function sendRefusal(socket: Socket, connection: Connection, refusal: OptamilError): void {
  connection.closing = true;
  const body = JSON.stringify(toErrorBody(refusal));
  const head = [
    `HTTP/1.1 ${refusal.row.status} ${refusal.code}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once("close", () => clearTimeout(timer));
}

function closeWhenAnswered(socket: Socket, connection: Connection): void {
  if (connection.closing) return;
  connection.closing = true;
  if (connection.newest === undefined || connection.running === 0) {
    socket.destroySoon();
    return;
  }
  const { response } = connection.newest;
  if (response.headersSent) response.once("close", () => socket.destroySoon());
  else response.shouldKeepAlive = false;
}
