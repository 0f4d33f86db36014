// Finds out which HTTP a fresh connection speaks: by its first bytes, or by ALPN under TLS.
import type { Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/** Where connections wait until their protocol is known. */
export type Entrance = {
  admit(socket: Socket): void;
  /** How many have come lately; under TLS those that shake hands are not known. */
  waiting(): number;
  /** Closes the connections that wait here. */
  drain(): void;
};

/** What a connection speaks. */
export type Protocol = "http1" | "http2";

/** Takes a connection whose protocol is known. */
export type Enter = (socket: Socket, protocol: Protocol) => void;

/** The server's certificate chain and private key, both PEM. */
export type TlsKeyPair = { readonly cert: Uint8Array; readonly key: Uint8Array };

/** On a busy machine the first bytes of a connection may be read so much later than it came. */
const lateMs = 2_000;

// RFC 9113 §3.4: what every HTTP/2 client sends first.
const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/**
 * An entrance for cleartext connections, which compares their first bytes with the HTTP/2 preface.
 *
 * A mismatch is decided at its first byte, a match when the whole preface is there, since it may come
 * in pieces. A connection that is undecided after `timeoutMs` is closed without an answer.
 */
export function createSniffingEntrance(timeoutMs: number, enter: Enter): Entrance {
  const undecided = new Map<Socket, number>();
  const admit = (socket: Socket) => {
    let seen = Buffer.alloc(0);
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    const close = () => socket.destroy();
    const look = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      seen = Buffer.concat([seen, chunk]);
      const length = Math.min(seen.length, preface.length);
      const matches = seen.compare(preface, 0, length, 0, length) === 0;
      if (matches && length < preface.length) return;
      clearTimeout(timer);
      undecided.delete(socket);
      socket.off("readable", look).off("end", close);
      socket.unshift(seen);
      enter(socket, matches ? "http2" : "http1");
    };
    socket.on("readable", look).on("end", close);
    socket.once("close", () => {
      clearTimeout(timer);
      undecided.delete(socket);
    });
    undecided.set(socket, performance.now());
  };
  return {
    admit,
    waiting() {
      const fromMs = performance.now() - lateMs;
      return [...undecided.values()].filter((atMs) => atMs > fromMs).length;
    },
    drain() {
      for (const socket of undecided.keys()) socket.destroy();
    },
  };
}

/**
 * An entrance for TLS connections; a client that offers no ALPN gets HTTP/1.1 (RFC 7301 §3.2).
 * A handshake that fails or takes longer than `timeoutMs` ends the connection; one that runs when the
 * port is drained may go on until then, as a TLS server does not show the sockets it works on.
 */
export function createTlsEntrance(tls: TlsKeyPair, timeoutMs: number, enter: Enter): Entrance {
  const server = createTlsServer({
    cert: Buffer.from(tls.cert),
    key: Buffer.from(tls.key),
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: timeoutMs,
  });
  server.on("secureConnection", (socket) => {
    // A reset is news for the requests on the connection, which see it as their own close.
    socket.on("error", () => {});
    enter(socket, socket.alpnProtocol === "h2" ? "http2" : "http1");
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return {
    admit(socket) {
      server.emit("connection", socket);
    },
    waiting: () => 0,
    drain() {},
  };
}
