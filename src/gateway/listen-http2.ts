// Serves HTTP/2 on connections that another server accepted.
import {
  constants,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type Http2Session,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { ProtocolServer } from "./listen-http1.ts";

/** Limits of the HTTP/2 side; `listen` documents their defaults. */
export type Http2Limits = {
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxHeaderBytes: number;
  readonly maxConcurrentStreams: number;
};

type Session = { readonly running: Set<ServerHttp2Stream>; readonly idle: NodeJS.Timeout };

// Frames against the protocol that a session may send before it is ended; no sane client sends ten.
const invalidFramesMax = 100;
// Resets a client may send: a burst, then so many a second (CVE-2023-44487, "rapid reset"); Deno 2.8 knows no such limit.
const resetBurst = 1_000;
const resetsPerSecond = 100;
// After its answer a stream has so long to close: the client reads the trailers, and its own end arrives.
const unreadGraceMs = 1_000;
// Bytes in flight to us, a stream and a session: 64 kB, the default, is 1.3 MB/s at 50 ms.
const streamWindowBytes = 256 * 1024;
const sessionWindowBytes = 1024 * 1024;

/**
 * Creates an HTTP/2 server that listens nowhere.
 *
 * A session without a running request for `idleTimeoutMs` is closed, whatever else it sends: pings do
 * not keep it, and a session whose requests are silent for longer is not idle. Floods of pings and
 * settings are ended by nghttp2's own bound of 1,000 queued answers. A request that has not come to its
 * end within `requestTimeoutMs` is reset, so a client's stream to us cannot be longer than that.
 */
export function createHttp2Server(
  handler: (request: Http2ServerRequest, response: Http2ServerResponse) => void,
  limits: Http2Limits,
): ProtocolServer {
  const sessions = new Map<Http2Session, Session>();
  let begun = 0;
  let waning = false;
  let draining = false;

  const server = createServer(
    {
      maxSessionInvalidFrames: invalidFramesMax,
      streamResetBurst: resetBurst,
      streamResetRate: resetsPerSecond,
      settings: {
        maxConcurrentStreams: limits.maxConcurrentStreams,
        maxHeaderListSize: limits.maxHeaderBytes,
        initialWindowSize: streamWindowBytes,
      },
    },
    (request, response) => {
      const session = request.stream.session && sessions.get(request.stream.session);
      if (session === undefined) return;
      begun += 1;
      track(request.stream, session, limits.requestTimeoutMs);
      // GOAWAY names this stream as the last one: it is answered.
      if (waning) request.stream.session?.close();
      handler(request, response);
    },
  );

  server.on("session", (http2Session) => {
    const session = openSession(http2Session, limits.idleTimeoutMs);
    sessions.set(http2Session, session);
    http2Session.once("close", () => {
      clearTimeout(session.idle);
      sessions.delete(http2Session);
    });
  });

  return {
    take(socket) {
      if (draining) {
        socket.destroy();
        return;
      }
      // A client that ends its side has left: HTTP/2 has no use for half a connection.
      socket.allowHalfOpen = false;
      server.emit("connection", socket);
    },
    wane() {
      waning = true;
      // Once its answers are given a client may use the session again: GOAWAY would refuse what it has on its way.
      const busy = [...sessions].filter(([, { running }]) => hasUnanswered(running));
      for (const [http2Session] of busy) http2Session.close();
    },
    drain() {
      draining = true;
      for (const http2Session of sessions.keys()) http2Session.close();
    },
    cut() {
      for (const { running } of sessions.values()) cutAll(running);
    },
    requestsRunning: () => countRunning(sessions),
    requestsBegun: () => begun,
    close() {
      server.close();
    },
  };
}

function countRunning(sessions: ReadonlyMap<Http2Session, Session>): number {
  return [...sessions.values()].reduce((sum, { running }) => sum + running.size, 0);
}

function hasUnanswered(running: ReadonlySet<ServerHttp2Stream>): boolean {
  return [...running].some((stream) => !stream.writableEnded);
}

/** To end the connection, or to reset with CANCEL, looks to node's client like the answer's end. */
function cutAll(running: Iterable<ServerHttp2Stream>): void {
  for (const stream of running) stream.close(constants.NGHTTP2_INTERNAL_ERROR);
}

function openSession(http2Session: ServerHttp2Session, idleTimeoutMs: number): Session {
  const running = new Set<ServerHttp2Stream>();
  const closeIfIdle = () => {
    if (running.size === 0) http2Session.close();
  };
  http2Session.setLocalWindowSize(sessionWindowBytes);
  return { running, idle: setTimeout(closeIfIdle, idleTimeoutMs) };
}

function track(stream: ServerHttp2Stream, session: Session, requestTimeoutMs: number): void {
  // A stream that has closed does not know its session any more.
  const http2Session = stream.session;
  session.running.add(stream);
  const timer = setTimeout(() => closeUnlessReceived(stream), requestTimeoutMs);
  let unread: NodeJS.Timeout | undefined;
  stream.once("finish", () => {
    // What nobody reads of a refused body would keep the stream for ever (RFC 9113 §8.1).
    unread = setTimeout(() => stream.destroy(), unreadGraceMs);
  });
  // Of an answer to HEAD Deno 2.8 makes an error when it is out, and leaves the stream open, and so its session.
  stream.once("error", () => stream.destroy());
  stream.once("close", () => {
    clearTimeout(timer);
    clearTimeout(unread);
    session.running.delete(stream);
    // To refresh the timer of a session that has closed would start it again.
    if (session.running.size === 0 && !http2Session?.destroyed) session.idle.refresh();
  });
}

/** Resets a stream whose client has not ended its side; one that was received whole may run on. */
function closeUnlessReceived(stream: ServerHttp2Stream): void {
  if (stream.state.remoteClose !== 1) stream.close(constants.NGHTTP2_CANCEL);
}
