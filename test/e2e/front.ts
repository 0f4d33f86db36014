/** One address in front of a proxy that takes HTTP/1.1 on one port and HTTP/2 in cleartext on another, as a gateway takes both. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** Where connections go. */
export type Behind = { readonly http1: number; readonly http2: number };

/** Opens a port; resolves to it and to what closes it with all of its connections. */
export async function openFront(behind: Behind): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    keep(client);
    client.on("error", () => {});
    client.once("data", (first: Buffer) => {
      // The first byte of HTTP/2's preface is that of no method that anybody sends but PUT and PATCH.
      const isHttp2 = first.subarray(0, 3).toString("latin1") === "PRI";
      const port = isHttp2 ? behind.http2 : behind.http1;
      const proxy = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      keep(proxy);
      proxy.on("error", () => client.resetAndDestroy());
      client.on("error", () => proxy.resetAndDestroy());
      client.once("close", () => proxy.destroy());
      proxy.once("close", () => client.destroySoon());
      proxy.write(first);
      client.pipe(proxy);
      proxy.pipe(client);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
