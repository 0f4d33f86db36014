// The connection to Redis, behind which the counters and the keyed requests of a fleet are kept.
import { once } from "node:events";
import { Redis } from "ioredis";
import { within } from "../platform/within.ts";
import type { RedisConnection, ReplyField } from "./redis/connection.ts";
import type { Script } from "./redis/scripts.ts";
import { CountersUnreachable } from "./shared-counters.ts";

export { redisMicroMax } from "./redis/arguments.ts";
export { type LedgerCheck, RedisCounters } from "./redis/counters.ts";
export { RedisIdempotency } from "./redis/idempotency.ts";

/** How a connection is made. */
export type RedisConnectionOptions = {
  /** `redis://` or `rediss://`, server 7 or later. */
  readonly url: string;
  /** Milliseconds until a command counts as unanswered. Default 250: a request can wait so long, not longer. */
  readonly commandTimeoutMs?: number | undefined;
  /** Commands that wait for an answer at most; more are refused at once. Default 10,000. */
  readonly commandsMax?: number | undefined;
};

const readyTimeoutMs = 10_000;

/** Opens a connection, which comes back by itself with 50 ms to 1 s between tries. Never rejects: see `run`. */
export function connectRedis(options: RedisConnectionOptions): RedisConnection {
  const { url, commandTimeoutMs = 250, commandsMax = 10_000 } = options;
  const client = new Redis(url, {
    connectTimeout: 2_000,
    // A peer that has vanished without a word: a new connection, and what it was sent is forgotten.
    socketTimeout: 5_000,
    // What cannot be sent now is answered by the fallback, not kept for later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (tries) => Math.min(1_000, 50 * tries),
  });
  // Every command says so itself.
  client.on("error", () => undefined);
  let sessions = 0;
  client.on("close", () => {
    sessions += 1;
  });
  const waiting = trackWaiting();

  async function send(command: () => Promise<unknown>): Promise<unknown> {
    if (waiting.count() >= commandsMax) throw new CountersUnreachable("down");
    const sent = waiting.begin();
    try {
      const answer = await within(commandTimeoutMs, command());
      if (answer === undefined) throw new Error("no answer in time");
      waiting.answered(sent);
      return answer;
    } catch (error) {
      if (isNoScript(error)) throw error;
      throw isRefused(error) ? error : new CountersUnreachable("down", error);
    } finally {
      waiting.end(sent);
    }
  }

  async function run(
    script: Script,
    key: string,
    args: readonly (string | number | Uint8Array)[],
  ): Promise<readonly ReplyField[]> {
    const values = args.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value));
    try {
      return toFields(
        await send(() => client.callBuffer("EVALSHA", script.sha1, 1, key, ...values)),
      );
    } catch (error) {
      if (!isNoScript(error)) throw error;
      return toFields(await send(() => client.callBuffer("EVAL", script.text, 1, key, ...values)));
    }
  }

  return {
    run,
    set: async (key, value) => void (await send(() => client.set(key, value))),
    ready: async () => {
      if (client.status !== "ready") {
        await once(client, "ready", { signal: AbortSignal.timeout(readyTimeoutMs) });
      }
    },
    sessions: () => sessions,
    lastRoundTripMs: waiting.lastRoundTripMs,
    silentMs: waiting.silentMs,
    close: () => client.disconnect(),
  };
}

type Sent = { readonly sentAtMs: number };

/** The commands that wait, in the order of their sending, in which the server answers. */
function trackWaiting() {
  const waiting = new Set<Sent>();
  let lastRoundTripMs: number | undefined;
  let answeredAtMs = 0;
  return {
    count: () => waiting.size,
    begin(): Sent {
      const sent = { sentAtMs: performance.now() };
      waiting.add(sent);
      return sent;
    },
    answered({ sentAtMs }: Sent): void {
      answeredAtMs = performance.now();
      lastRoundTripMs = answeredAtMs - sentAtMs;
    },
    end: (sent: Sent) => waiting.delete(sent),
    lastRoundTripMs: () => lastRoundTripMs,
    silentMs(): number {
      const [oldest] = waiting;
      return oldest ? performance.now() - Math.max(oldest.sentAtMs, answeredAtMs) : 0;
    },
  };
}

/** Texts as strings; only the last field can be bytes that are no text, a kept answer. */
function toFields(reply: unknown): readonly ReplyField[] {
  if (!Array.isArray(reply)) return [];
  const isAnswer = reply.length === 2 && String(reply[0]) === "finished";
  return reply.map((field: unknown, at): ReplyField => {
    if (typeof field === "number") return field;
    if (!(field instanceof Uint8Array)) return null;
    return isAnswer && at === 1 ? field : new TextDecoder().decode(field);
  });
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/** The server ran the command and found it wrong: a mistake of ours, which no fallback should hide. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && /^(ERR|WRONGTYPE) /.test(error.message);
}
