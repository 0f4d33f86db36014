// Holds the TCP port and every connection on it.
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** Settings of `openPort`; `listen` documents their defaults. */
export type PortOptions = {
  readonly host: string;
  readonly port: number;
  readonly connectionsMax: number;
  /** Whether a client may end its side and still be answered. */
  readonly halfOpen: boolean;
};

/** An open TCP port. */
export type Port = {
  readonly port: number;
  connectionsOpen(): number;
  connectionsRefused(): number;
  /** Accepts no more; calls `cut` after `drainMs` if it must; resolves when no connection is left. */
  close(drainMs: number, cut: () => void): Promise<void>;
};

// What was cut still has to tell its clients so.
const lingerMs = 500;

/** Opens a TCP port and passes on each connection. Rejects when the port cannot be had. */
export async function openPort(
  admit: (socket: Socket) => void,
  { host, port, connectionsMax, halfOpen }: PortOptions,
): Promise<Port> {
  const sockets = new Set<Socket>();
  let refused = 0;
  const server = createServer({ noDelay: true, allowHalfOpen: halfOpen }, (socket) => {
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
  server.listen(port, host);
  await once(server, "listening");
  // From here on an error is a connection that could not be accepted, as for want of descriptors.
  server.on("error", () => {
    refused += 1;
  });

  return {
    port: boundPort(server),
    connectionsOpen: () => sockets.size,
    connectionsRefused: () => refused,
    async close(drainMs, cut) {
      const emptied = new Promise<void>((resolve) => server.close(() => resolve()));
      const cutTimer = setTimeout(cut, drainMs);
      const destroyTimer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, drainMs + lingerMs);
      await emptied;
      // The server counts a socket off a little before that socket's own `close`.
      await Promise.all([...sockets].map(closeOf));
      clearTimeout(cutTimer);
      clearTimeout(destroyTimer);
    },
  };
}

function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

function boundPort(server: Server): number {
  // A string is the address of a pipe and null that of a closed server: this is neither.
  return (server.address() as AddressInfo).port;
}
