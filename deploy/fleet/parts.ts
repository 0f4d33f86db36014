/** The parts of a fleet as one who tries it sees them: where each is, whether it is well, and how it starts again. */
import { once } from "node:events";
import { connect } from "node:net";
import type { RunningProcess } from "../../test/setup/process.ts";
import type { Fleet } from "./fleet.ts";

/** A part. */
export type Part = {
  readonly name: string;
  readonly address: string;
  /** Of its newest process. */
  pid(): number;
  /** "ok", or what is wrong. */
  look(): Promise<string>;
  /** Starts it again after its process has died. */
  restart(): Promise<unknown>;
};

/** nginx in front; `process` is the newest. */
export type Proxy = {
  readonly port: number;
  readonly start: () => Promise<RunningProcess>;
  process: RunningProcess;
};

const lookTimeoutMs = 2_000;
const watchEveryMs = 1_000;

/** All parts, in the order in which they start. */
export function partsOf(fleet: Fleet, proxy: Proxy): readonly Part[] {
  return [...services(fleet), ...processes(fleet), front(proxy)];
}

function services({ kafka, clickhouse, redis }: Fleet): Part[] {
  return [
    ...kafka.brokers.map((broker) => ({
      name: `kafka-${broker.id}`,
      address: broker.address,
      pid: () => broker.pid,
      look: () => lookAtPort(broker.address),
      restart: () => broker.restart(),
    })),
    {
      name: "clickhouse",
      address: clickhouse.url,
      pid: () => clickhouse.pid,
      look: () => lookAtUrl(`${clickhouse.url}/ping`),
      restart: () => clickhouse.restart(),
    },
    {
      name: "redis",
      address: redis.url,
      pid: () => redis.pid(),
      look: () => lookAtPort(new URL(redis.url).host, "PING\r\n", "+PONG"),
      restart: () => redis.restart(),
    },
  ];
}

function processes(fleet: Fleet): Part[] {
  const consumers = fleet.consumers.map((consumer, number) => ({
    name: consumer.name,
    address: `http://127.0.0.1:${consumer.port}`,
    pid: () => consumer.process.pid,
    look: () => lookAtUrl(`http://127.0.0.1:${consumer.port}/readyz`),
    restart: () => fleet.restartConsumer(number, "SIGKILL"),
  }));
  const replicas = fleet.replicas.map((replica, number) => {
    let pid = -1;
    const follow = () => void replica.serving.then(({ process }) => (pid = process.pid), ignore);
    follow();
    return {
      name: replica.name,
      address: `http://127.0.0.1:${replica.port}`,
      pid: () => pid,
      look: () => lookAtUrl(`http://127.0.0.1:${replica.port}/readyz`),
      restart: () => fleet.killReplica(number).finally(follow),
    };
  });
  return [...consumers, ...replicas];
}

function front(proxy: Proxy): Part {
  const address = `http://127.0.0.1:${proxy.port}`;
  return {
    name: "nginx",
    address,
    pid: () => proxy.process.pid,
    look: () => lookAtUrl(`${address}/readyz`),
    restart: async () => {
      proxy.process = await proxy.start();
    },
  };
}

/** Watches parts until the function that it gives is called; says what changes. */
export function watchParts(
  parts: readonly Part[],
  options: { readonly supervise: boolean; readonly say: (line: string) => void },
): () => Promise<void> {
  const { say } = options;
  const stopping = new AbortController();
  const watching = parts.map((part) => watch(part, options.supervise, say, stopping.signal));
  return async () => {
    stopping.abort();
    await Promise.all(watching);
  };
}

async function watch(
  part: Part,
  supervise: boolean,
  say: (line: string) => void,
  stop: AbortSignal,
): Promise<void> {
  let last = "ok";
  for (;;) {
    await pause(stop);
    if (stop.aborted) return;
    const now = isAlive(part.pid()) ? await part.look() : "has ended";
    if (now !== last && !stop.aborted) say(`${part.name}: ${now}`);
    last = now;
    if (now !== "has ended" || !supervise || stop.aborted) continue;
    await part.restart().catch((error: unknown) => say(`${part.name}: ${error}`));
  }
}

function pause(stop: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, watchEveryMs);
  const wake = () => {
    clearTimeout(timer);
    resolve();
  };
  if (stop.aborted) wake();
  else stop.addEventListener("abort", wake, { once: true });
  return promise.finally(() => stop.removeEventListener("abort", wake));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    // ESRCH: nobody has that id.
    return false;
  }
}

async function lookAtUrl(url: string): Promise<string> {
  try {
    const { status, ok, body } = await fetch(url, { signal: AbortSignal.timeout(lookTimeoutMs) });
    await body?.cancel();
    return ok ? "ok" : `answers ${status}`;
  } catch {
    return "does not answer";
  }
}

/** Connects, and asks where there is a question that its answer tells. */
async function lookAtPort(address: string, question = "", answer = ""): Promise<string> {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  const signal = AbortSignal.timeout(lookTimeoutMs);
  try {
    await once(socket, "connect", { signal });
    if (question === "") return "ok";
    socket.write(question);
    const [said] = await once(socket, "data", { signal });
    return String(said).startsWith(answer) ? "ok" : `answers ${said}`;
  } catch {
    return "does not answer";
  } finally {
    socket.destroy();
  }
}

function ignore(): void {}
