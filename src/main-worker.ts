// Part of the composition root: what a worker has of the process that started it: its metrics and, on one machine, the books.
import assert from "node:assert/strict";
import { fromBinary } from "@bufbuild/protobuf";
import type { Counters } from "./admission/counters.ts";
import type { Idempotency } from "./admission/idempotency.ts";
import type { Slots } from "./chat/provider-slots.ts";
import type { ServingGateway } from "./cli/command.ts";
import type { Directory } from "./directory/directory.ts";
import { LmdbFollower } from "./directory/lmdb-follower.ts";
import { DirectoryRecordSchema } from "./gen/optamil/v1/directory_pb.ts";
import type { UsageEvent } from "./gen/optamil/v1/event_pb.ts";
import type { OpenedDirectory } from "./main-accounts.ts";
import { type AskConsumer, askedWarehouse } from "./main-alone.ts";
import {
  assembleMetering,
  type FreshStatus,
  type Metering,
  type MeteringOptions,
  type RecordingLog,
} from "./main-metering.ts";
import { Channel, type MessagePort } from "./platform/channel.ts";
import type { Family, Metrics, MetricsReader } from "./platform/metrics.ts";
import { within } from "./platform/within.ts";
import type { Answer, Question } from "./usage/child-messages.ts";
import type { ContentStore } from "./usage/content-store.ts";
import { encodeEvent } from "./usage/encode-event.ts";
import { toEventIdText } from "./usage/event.ts";

/** What a worker may call of who started it. */
export type ParentFunctions = {
  /** It serves. */
  ready(serving: ServingGateway): void;
  /** Of all workers, and of who started them. */
  metrics(): Promise<readonly Family[]>;
};

/** What a worker of one machine may call of who keeps the books. */
export type OwnerFunctions = ParentFunctions &
  Pick<Counters, "admit" | "release" | "renew" | "rate" | "usage"> &
  Pick<RecordingLog, "hurry"> &
  Pick<Idempotency, keyof Idempotency> & {
    /** An event as protobuf, as the log has it: Deno 2.8.2 dies of the empty arrays in one that is cloned. */
    hold(event: Uint8Array): Promise<void>;
    /** `isFirst`: its admission was not told before, and is recorded with it. */
    append(event: Uint8Array, isFirst: boolean): Promise<void>;
    /** Has each change of the directory told from now on. */
    follow(): void;
    /** Resolves when it is durable, and all workers have been told or had a second. */
    change: Directory["append"];
    takeSlot: Slots["take"];
    giveSlot: Slots["give"];
    ask(question: Question): Promise<Answer>;
    status(): FreshStatus;
    putContent: ContentStore["put"];
    getContent: ContentStore["get"];
    removeContent: ContentStore["remove"];
    removeAllContent: ContentStore["removeAll"];
    /** Does nothing: who answers is alive. */
    ping(): void;
  };

/** What is called of a worker. */
export type WorkerFunctions = {
  /** What it measured itself. */
  metrics(): readonly Family[];
  /** A change of the directory, as protobuf. */
  changed(record: Uint8Array): void;
  /** To end in good order. */
  stop(): void;
  /** To read the configuration file anew. */
  reload(): void;
};

/** What who started a process can have it do. */
export type Orders = Pick<WorkerFunctions, "stop" | "reload">;

/** The way to who started this worker, and what of it stands in for rooms of its own. */
export interface WorkerLink {
  ready(serving: ServingGateway): void;
  /** What is shown to who asks this worker for metrics. */
  metricsOf(own: Metrics): MetricsReader;
  openDirectory(path: string): Promise<OpenedDirectory>;
  openMetering(options: MeteringOptions): Metering;
  readonly content: ContentStore;
  readonly slots: Slots;
}

const metricsTimeoutMs = 5_000;
const pingEveryMs = 5_000;
/** Longer than a disk that is slow makes it wait. */
const pingTimeoutMs = 30_000;

type Calls = Channel<OwnerFunctions>;

/** Opens the way. What a fleet's worker may call of it is `ParentFunctions` alone. */
export function openWorkerLink(port: MessagePort, orders: Orders): WorkerLink {
  let own: Metrics | undefined;
  let follower: LmdbFollower | undefined;
  const functions: WorkerFunctions = {
    ...orders,
    metrics: () => own?.collect() ?? [],
    changed: (record) => follower?.noted(fromBinary(DirectoryRecordSchema, record)),
  };
  const calls: Calls = new Channel(port, functions);
  return {
    ready: (serving) => calls.tell("ready", serving),
    metricsOf(metrics) {
      own = metrics;
      const collect = async () => {
        // Who started this worker may be gone: what it measured itself is shown then.
        const all = calls.call("metrics").catch(() => undefined);
        return (await within(metricsTimeoutMs, all)) ?? metrics.collect();
      };
      return { collect };
    },
    async openDirectory(path) {
      // First: a change between the two would be missed.
      await calls.call("follow");
      const append: Directory["append"] = (change, write) => calls.call("change", change, write);
      follower = new LmdbFollower({ path, append });
      return { directory: follower, registry: follower };
    },
    openMetering: (options) => openMetering(calls, options),
    content: toContent(calls),
    slots: toSlots(calls),
  };
}

function openMetering(calls: Calls, options: MeteringOptions): Metering {
  const ask: AskConsumer = async (question) => {
    const answer = await calls.call("ask", question);
    assert(isOfKind(answer, question.kind), "the consumer answered another question");
    return answer;
  };
  const pinging = watchOwner(calls, options);
  return assembleMetering(options, {
    ...toBooks(calls),
    idempotency: {
      begin: (attempt) => calls.call("begin", attempt),
      finish: (attempt, answer) => calls.call("finish", attempt, answer),
      forget: (attempt) => calls.call("forget", attempt),
    },
    // Who keeps the books sweeps them.
    sweepIdempotency: async () => false,
    warehouse: askedWarehouse(ask),
    status: () => ({}),
    freshStatus: () => calls.call("status"),
    close: async () => clearInterval(pinging),
  });
}

/**
 * The log and the counters of who keeps the books. A request costs two round trips: its admission, and its end, which leaves the
 * counters there as soon as it is durable. What it was admitted with goes along with its end, if that comes soon.
 */
function toBooks(calls: Calls): { usageLog: RecordingLog; counters: Counters } {
  const holds = new HeldBack(calls);
  /** Ids of requests that have left the counters with their end, until the meter says so. */
  const ended = new Set<string>();
  return {
    usageLog: {
      hold: (event) => holds.add(event),
      hurry: () => {
        holds.send();
        calls.tell("hurry");
      },
      async append(event) {
        const eventId = toEventIdText(event.eventId);
        const { isRequest, hold } = holds.end(eventId);
        const appended = calls.call("append", encodeEvent(event), hold !== undefined);
        hold?.settle(appended);
        await appended;
        if (isRequest) ended.add(eventId);
      },
    },
    counters: {
      admit: (request) => calls.call("admit", request),
      settle: (eventId) => (ended.delete(eventId) ? "settled" : "ignored"),
      release: (eventId, release) =>
        ended.delete(eventId) ? undefined : calls.call("release", eventId, release),
      renew: (open) => calls.call("renew", open),
      rate: (load) => calls.call("rate", load),
      usage: (accountId, totalMicro, budgetId) =>
        calls.call("usage", accountId, totalMicro, budgetId),
      sweep: () => [],
      confirm: () => assert.fail("a worker confirms nothing"),
    },
  };
}

type Hold = { readonly event: UsageEvent; readonly settle: (sent: Promise<void>) => void };

/** Less than the log itself waits for the end of a request. */
const holdDelayMs = 5;

/** Admissions that wait for their end, so that one message tells both. */
class HeldBack {
  readonly #calls: Calls;
  readonly #waiting = new Map<string, Hold>();
  /** Those that have no end yet. */
  readonly #open = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  add(event: UsageEvent): Promise<void> {
    const eventId = toEventIdText(event.eventId);
    this.#open.add(eventId);
    this.#timer ??= setTimeout(() => this.send(), holdDelayMs);
    return new Promise((settle) => this.#waiting.set(eventId, { event, settle }));
  }

  /** Sends what waits. */
  send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const eventId of [...this.#waiting.keys()]) this.#sendOne(eventId);
  }

  /** Takes out the one that ends: whether it was admitted here, and what still waits of it. */
  end(eventId: string): { readonly isRequest: boolean; readonly hold: Hold | undefined } {
    const hold = this.#waiting.get(eventId);
    this.#waiting.delete(eventId);
    return { isRequest: this.#open.delete(eventId), hold };
  }

  #sendOne(eventId: string): void {
    const hold = this.#waiting.get(eventId);
    if (hold === undefined) return;
    this.#waiting.delete(eventId);
    const sent = this.#calls.call("hold", encodeEvent(hold.event));
    // What is not recorded has no end either.
    sent.catch(() => this.#open.delete(eventId));
    hold.settle(sent);
  }
}

function toSlots(calls: Calls): Slots {
  return {
    take({ provider, maxConcurrent }, accountId) {
      if (maxConcurrent === undefined) return true;
      return calls.call("takeSlot", { provider, maxConcurrent }, accountId);
    },
    give({ provider, maxConcurrent }) {
      if (maxConcurrent !== undefined) calls.tell("giveSlot", { provider, maxConcurrent });
    },
  };
}

function toContent(calls: Calls): ContentStore {
  return {
    put: (accountId, content) => calls.call("putContent", accountId, content),
    get: (accountId, requestId) => calls.call("getContent", accountId, requestId),
    remove: (accountId, requestId) => calls.call("removeContent", accountId, requestId),
    removeAll: (accountId) => calls.call("removeAllContent", accountId),
    accountIds: () => [],
    sweep: async () => false,
    close: async () => undefined,
  };
}

/** Who keeps the books and says nothing any more records nothing either. */
function watchOwner(calls: Calls, { onBroken }: MeteringOptions) {
  let asking = false;
  const ask = async () => {
    if (asking) return;
    asking = true;
    const answered = await within(
      pingTimeoutMs,
      calls.call("ping").then(() => true),
    ).catch(() => true);
    asking = false;
    if (answered === undefined) onBroken(new Error("who keeps the books does not answer"));
  };
  return setInterval(() => void ask(), pingEveryMs);
}

function isOfKind<Kind extends Answer["kind"]>(
  answer: Answer,
  kind: Kind,
): answer is Extract<Answer, { kind: Kind }> {
  return answer.kind === kind;
}
