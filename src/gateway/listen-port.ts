// Holds the TCP port and every connection on it.
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

/** Settings of `openPort`; `listen` documents their defaults. */
export type PortOptions = {
  readonly host: string;
  readonly port: number;
  readonly connectionsMax: number;
  /** Whether a client may end its side and still be answered. */
  readonly halfOpen: boolean;
  /** Whether other processes may listen on the same port, and get a share of the connections. */
  readonly shared: boolean;
};

/** An open TCP port. */
export type Port = {
  readonly port: number;
  connectionsOpen(): number;
  connectionsRefused(): number;
  /** Accepts no more, as soon as hardly any connection waits to be accepted: those that do are reset. */
  stopAccepting(): Promise<void>;
  /** For after that: calls `cut` after `drainMs` if it must; resolves when no connection is left. */
  close(drainMs: number, cut: () => void): Promise<void>;
};

// What was cut still has to tell its clients so.
const lingerMs = 500;
/** A turn of the event loop that took so long may have let a connection wait, milliseconds: one in which nothing happens takes 0.02. */
const quickTurnMs = 0.1;
/** On a busy machine every turn takes long. */
const acceptMsMax = 1_000;

/** Opens a TCP port and passes on each connection. Rejects when the port cannot be had. */
export async function openPort(
  admit: (socket: Socket) => void,
  { host, port, connectionsMax, halfOpen, shared }: PortOptions,
): Promise<Port> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  let refused = 0;
  const emptied = Promise.withResolvers<unknown>();
  const server = createServer({ noDelay: true, allowHalfOpen: halfOpen }, (socket) => {
    accepted += 1;
    // A reset is news for the requests on the connection, which see it as their own close.
    socket.on("error", () => {});
    if (sockets.size >= connectionsMax) {
      refused += 1;
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    admit(socket);
  });
  server.listen({ port, host, reusePort: shared });
  await once(server, "listening");
  // From here on an error is a connection that could not be accepted, as for want of descriptors.
  server.on("error", () => {
    refused += 1;
  });

  return {
    port: boundPort(server),
    connectionsOpen: () => sockets.size,
    connectionsRefused: () => refused,
    async stopAccepting() {
      // The turn that is under way may have looked for connections already, and ends without a second look.
      await nextTurn();
      await new Promise<void>((resolve) => {
        const startMs = performance.now();
        let [seen, fromMs] = [accepted, startMs];
        const look = () => {
          const nowMs = performance.now();
          // A turn accepts one connection, so that one without means that none waited.
          const isQuick = nowMs - fromMs < quickTurnMs || nowMs - startMs > acceptMsMax;
          if ((accepted === seen && isQuick) || nowMs - startMs > 2 * acceptMsMax) {
            // Here and now: what comes between the look and this is reset.
            server.close(emptied.resolve);
            resolve();
            return;
          }
          [seen, fromMs] = [accepted, nowMs];
          setImmediate(look);
        };
        setImmediate(look);
      });
    },
    async close(drainMs, cut) {
      const cutTimer = setTimeout(cut, drainMs);
      const destroyTimer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, drainMs + lingerMs);
      await emptied.promise;
      // The server counts a socket off a little before that socket's own `close`.
      await Promise.all([...sockets].map(closeOf));
      clearTimeout(cutTimer);
      clearTimeout(destroyTimer);
    },
  };
}

/**
 * A port that nobody listens on, for processes that are going to share it: the one that was asked for, or a free one for
 * 0. Rejects when it cannot be had.
 */
export async function reservePort(host: string, port: number): Promise<number> {
  const server = createServer();
  server.listen(port, host);
  await once(server, "listening");
  const reserved = boundPort(server);
  server.close();
  await once(server, "close");
  return reserved;
}

function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

function boundPort(server: Server): number {
  // A string is the address of a pipe and null that of a closed server: this is neither.
  return (server.address() as AddressInfo).port;
}
