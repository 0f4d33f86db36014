/**
 * Free ports below those that Linux gives to outgoing connections (from 32768): what is down for a while must
 * find its port free when it comes back.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";

const portMin = 20_000;
const portsRange = 12_000;
const triesMax = 100;

/** So many free ports of the loopback interface. */
export async function findPorts(count: number): Promise<number[]> {
  // All are held until the last one is known, so that none is given twice.
  const held: Server[] = [];
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < triesMax; tries++) {
    const port = portMin + Math.floor(Math.random() * portsRange);
    const server = createServer();
    server.listen(port, "127.0.0.1");
    const taken = await once(server, "listening").then(
      () => false,
      () => true,
    );
    if (taken) continue;
    held.push(server);
    ports.push(port);
  }
  await Promise.all(held.map((server) => once(server.close(), "close")));
  if (ports.length < count) throw new Error(`no ${count} free ports from ${portMin} on`);
  return ports;
}
