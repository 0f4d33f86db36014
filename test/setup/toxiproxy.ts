/** Shopify's Toxiproxy: TCP connections to services, on which everything that comes back can be delayed. */
import assert from "node:assert/strict";
import { vi } from "vitest";
import { findPorts } from "./find-ports.ts";
import { goTool } from "./go-tool.ts";
import { startProcess } from "./process.ts";

/** A proxy before one service. */
export type DelayingProxy = {
  /** "127.0.0.1:20123". */
  readonly address: string;
  /** From now on all that the service sends arrives so many milliseconds later; 0: at once. */
  delay(latencyMs: number): Promise<void>;
};

/** Proxies that run. */
export type Toxiproxy = {
  /** Puts a proxy at `listenPort` before an address. */
  before(upstream: string, listenPort: number): Promise<DelayingProxy>;
  stop(): Promise<void>;
};

const requestTimeoutMs = 10_000;

/** Starts it, with no proxy yet. It ends with the test file at the latest. Throws `MissingToolError`. */
export async function startToxiproxy(): Promise<Toxiproxy> {
  const program = await goTool("toxiproxy");
  const [port] = await findPorts(1);
  const args = ["-host", "127.0.0.1", "-port", `${port}`];
  const running = await startProcess(program, args, { readyLine: /Starting HTTP server/ });

  async function call(method: string, path: string, body?: object): Promise<void> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const text = await response.text();
    const isFine = response.ok || (method === "DELETE" && response.status === 404);
    assert(isFine, `${method} ${path}: ${response.status} ${text}`);
  }
  // It says so just before.
  await vi.waitFor(() => call("GET", "/version"), requestTimeoutMs);

  return {
    async before(upstream, listenPort) {
      const address = `127.0.0.1:${listenPort}`;
      const name = `to-${listenPort}`;
      await call("POST", "/proxies", { name, listen: address, upstream, enabled: true });
      return {
        address,
        async delay(latencyMs) {
          await call("DELETE", `/proxies/${name}/toxics/delay`);
          if (latencyMs === 0) return;
          const toxic = { name: "delay", type: "latency", stream: "downstream" };
          const attributes = { latency: latencyMs };
          await call("POST", `/proxies/${name}/toxics`, { ...toxic, attributes });
        },
      };
    },
    stop: async () => void (await running.stop()),
  };
}
