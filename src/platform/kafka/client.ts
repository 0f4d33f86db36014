// Makes Kafka clients, and makes them anew when they have lost their way.
import kafkajs, { type Admin, type Kafka, type Producer, type SASLOptions } from "kafkajs";

/** Where the brokers are, and who asks. */
export type KafkaConnection = {
  /** Addresses of some brokers, "host:port". */
  readonly brokers: readonly string[];
  /** Shown in the brokers' logs and metrics. */
  readonly clientId: string;
  /** Whether connections are encrypted, with the certificates of the machine. Default false. */
  readonly tls?: boolean | undefined;
  /** How to sign in. Default: not at all. */
  readonly sasl?: SASLOptions | undefined;
};

const connectTimeoutMs = 3_000;
/** A broker that has stopped answering is given up after this. */
export const requestTimeoutMs = 4_000;
/** Tries again of one request within a client; a frozen broker costs the time of each, so that a new client tries soon. */
const retriesMax = 2;

let created = 0;

/**
 * A client. It asks the first broker in its list that takes a connection, and a frozen broker takes them:
 * each client begins with another one.
 */
export function createKafka({ brokers, clientId, tls = false, sasl }: KafkaConnection): Kafka {
  const first = created++ % brokers.length;
  return new kafkajs.Kafka({
    clientId,
    brokers: [...brokers.slice(first), ...brokers.slice(0, first)],
    ssl: tls,
    ...(sasl !== undefined && { sasl }),
    // What fails is thrown, and told by whoever tries again.
    logLevel: kafkajs.logLevel.NOTHING,
    connectionTimeout: connectTimeoutMs,
    requestTimeout: requestTimeoutMs,
    retry: { retries: retriesMax, initialRetryTime: 100, maxRetryTime: 1_000 },
  });
}

type Client = Pick<Producer | Admin, "connect" | "disconnect">;
type Held<C> = { readonly client: C; readonly ready: Promise<void>; uses: number; failed: boolean };

/** A client that is opened on first use, and replaced after a failure: it may not find its brokers again. */
export class Reconnecting<C extends Client> {
  readonly #create: () => C;
  #held: Held<C> | undefined;

  constructor(create: () => C) {
    this.#create = create;
  }

  /** Throws what the work throws; the next use has a new client. */
  async use<Result>(work: (client: C) => Promise<Result>): Promise<Result> {
    const held = this.#held ?? this.#open();
    held.uses++;
    try {
      await held.ready;
      return await work(held.client);
    } catch (error) {
      held.failed = true;
      if (this.#held === held) this.#held = undefined;
      throw error;
    } finally {
      held.uses--;
      // Others may still be at work with it.
      if (held.failed && held.uses === 0) void disconnect(held.client);
    }
  }

  async close(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) await disconnect(held.client);
  }

  #open(): Held<C> {
    const client = this.#create();
    const held = { client, ready: client.connect(), uses: 0, failed: false };
    this.#held = held;
    return held;
  }
}

/** Closes a client; never throws, as there is nothing to be done about it. */
export async function disconnect(client: Client): Promise<void> {
  try {
    await client.disconnect();
  } catch {
    // Its connections are gone.
  }
}

/** What asks the cluster about itself. */
export function openAdmin(connection: KafkaConnection): Reconnecting<Admin> {
  return new Reconnecting(() => createKafka(connection).admin());
}
