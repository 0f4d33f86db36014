// The consumer's own process: the driver of its steps, and the answers to questions about the warehouse.
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import { type AnalyticsWarehouse, findAnswer } from "./analytics.ts";
import { audit } from "./audit.ts";
import {
  type Answer,
  type FromChild,
  isToChild,
  type Question,
  type ToChild,
} from "./child-messages.ts";
import { Consumer } from "./consumer.ts";
import type { ConsumerRecords, ConsumerStore } from "./consumer-store.ts";
import type { StatementName } from "./statement.ts";
import type { TextFormat } from "./stored-usage.ts";
import type { UsageLogReader } from "./usage-log.ts";
import type {
  AuditedWarehouse,
  BaseSource,
  QueriedWarehouse,
  StoredLogs,
  Warehouse,
} from "./warehouse.ts";

/** The way to the gateway: in a forked process `process.send` and the events "message" and "disconnect". */
export interface ChildPort {
  send(message: FromChild): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called when the gateway is gone. */
  onClose(listener: () => void): void;
}

/** What the child opens; closed by it at the end. */
export type ChildParts = {
  readonly log: UsageLogReader;
  readonly warehouse: Warehouse &
    StoredLogs &
    BaseSource &
    AuditedWarehouse &
    QueriedWarehouse & {
      readonly analytics: AnalyticsWarehouse;
      /** Makes charts of large accounts cheaper by a bit; whether there may be more to do. */
      rollUp?(): Promise<boolean>;
      /** The answer to a statement, for who copies it elsewhere. */
      text?(
        name: StatementName,
        parameters: Record<string, unknown>,
        format: TextFormat,
      ): Promise<string>;
    };
  readonly store: ConsumerStore & ConsumerRecords;
};

/** Settings of the child. */
export type ChildOptions = {
  readonly clock: Clock;
  /** Rest between two looks at an empty log, milliseconds. Default 100: what a row may be late. */
  readonly idleMs?: number | undefined;
  /** Rest after something failed: doubled from the first to the second with each failure. Default 200 and 10,000. */
  readonly retryMs?: readonly [number, number] | undefined;
};

/**
 * Runs until the gateway says "stop" or is gone. The process must end when this resolves, as a statement
 * may still be running; it rejects when something cannot be opened.
 */
export async function runConsumerChild(
  port: ChildPort,
  openParts: () => Promise<ChildParts>,
  options: ChildOptions,
): Promise<void> {
  const child = new ConsumerChild(port, options);
  const start = await child.started();
  if (start === undefined) return;
  const parts = await openParts();
  try {
    await child.run(parts, start);
  } finally {
    await Promise.all([parts.log.close(), parts.store.close(), parts.warehouse.close()]);
  }
}

type Start = Extract<ToChild, { type: "start" }>;
type Asked = Extract<ToChild, { type: "ask" }>;

/** Rest between two looks for days to roll up, and between two such days: at most one core of two is busy with them. */
const rollUpIdleMs = 10_000;
const rollUpRestMs = 1_000;

class ConsumerChild {
  readonly #port: ChildPort;
  readonly #options: ChildOptions;
  readonly #start = Promise.withResolvers<Start | undefined>();
  readonly #stops = Promise.withResolvers<void>();
  #parts: ChildParts | undefined;
  /** Audits wait for the end of a step, as nothing may be inserted meanwhile. */
  #audits: Asked[] = [];
  #stopped = false;
  /** Monotonic milliseconds. */
  #rollUpAtMs = 0;
  #wake = () => {};

  constructor(port: ChildPort, options: ChildOptions) {
    this.#port = port;
    this.#options = options;
    port.onMessage((message) => {
      if (isToChild(message)) this.#take(message);
    });
    port.onClose(() => this.#stop());
  }

  /** The first message; undefined if the gateway was gone before it. */
  started(): Promise<Start | undefined> {
    return this.#start.promise;
  }

  async run(parts: ChildParts, start: Start): Promise<void> {
    const {
      clock,
      idleMs = 100,
      retryMs: [retryMinMs, retryMaxMs] = [200, 10_000],
    } = this.#options;
    const consumer = new Consumer({
      ...parts,
      clock,
      lastExit: start.lastExit,
      deliveredOffset: start.deliveredOffset,
      deliver: async (confirmation) => this.#port.send({ type: "confirmed", confirmation }),
      tell: (message) => this.#port.send({ type: "trouble", message }),
    });
    this.#parts = parts;
    this.#port.send({ type: "ready" });
    if (start.onlyAnswers) return this.#stops.promise;
    for (let retryMs = retryMinMs; !this.#stopped; ) {
      try {
        await this.#answerAudits(consumer, parts);
        const step = await consumer.step();
        retryMs = retryMinMs;
        await this.#rollUp(parts);
        if (step.records > 0) this.#port.send({ type: "progress", ...pick(step) });
        if (step.records === 0 && !step.confirmed) await this.#rest(idleMs);
      } catch (error) {
        this.#port.send({ type: "trouble", message: textOf(error) });
        await this.#rest(retryMs);
        retryMs = Math.min(2 * retryMs, retryMaxMs);
      }
    }
  }

  /** Between two steps, as nothing may be inserted meanwhile; now and then, so that steps are not held up. */
  async #rollUp({ warehouse }: ChildParts): Promise<void> {
    const { clock } = this.#options;
    if (warehouse.rollUp === undefined || clock.monotonicMs() < this.#rollUpAtMs) return;
    this.#rollUpAtMs = clock.monotonicMs() + rollUpIdleMs;
    if (await warehouse.rollUp()) this.#rollUpAtMs = clock.monotonicMs() + rollUpRestMs;
  }

  #take(message: ToChild): void {
    if (message.type === "start") this.#start.resolve(message);
    else if (message.type === "stop") this.#stop();
    else if (message.question.kind !== "audit") void this.#answer(message);
    else {
      this.#audits.push(message);
      this.#wake();
    }
  }

  #stop(): void {
    this.#stopped = true;
    this.#start.resolve(undefined);
    this.#stops.resolve();
    this.#wake();
  }

  #rest(restMs: number): Promise<void> {
    if (this.#stopped || this.#audits.length > 0) return Promise.resolve();
    return new Promise((resolve) => {
      // Deno 2.8.2 does not arm a timer that follows right from another one's callback once chDB has worked.
      const timer = setTimeout(() => setImmediate(resolve), restMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #answerAudits(consumer: Consumer, parts: ChildParts): Promise<void> {
    const asked = this.#audits;
    if (asked.length === 0) return;
    this.#audits = [];
    await this.#reply(asked, async () => {
      await consumer.confirmAll();
      const { warehouse, store: records } = parts;
      return { kind: "audit", findings: await audit({ warehouse, records }) };
    });
  }

  #answer(asked: Asked): Promise<void> {
    return this.#reply([asked], () => this.#find(asked.question));
  }

  async #find(question: Question): Promise<Answer> {
    const warehouse = this.#parts?.warehouse;
    if (warehouse === undefined) throw new Error("the warehouse is not open yet");
    switch (question.kind) {
      case "sql":
        return { kind: "sql", text: await warehouse.sql(question.text, question.format) };
      case "event":
        return {
          kind: "event",
          event: await warehouse.event(question.accountId, question.eventId),
        };
      case "event-of-request":
        return {
          kind: "event-of-request",
          event: await warehouse.eventOfRequest(question.accountId, question.requestId),
        };
      case "sums":
        return {
          kind: "sums",
          sums: await warehouse.sums(question.accountIds, question.periodIds),
        };
      case "bases":
        return { kind: "bases", bases: await warehouse.bases(question.asked) };
      case "statement":
        return { kind: "statement", text: await findText(warehouse, question) };
      case "audit":
        throw new Error("audits are answered between two steps");
      default:
        return findAnswer(warehouse.analytics, question);
    }
  }

  /** Answers all who asked the same; never throws. */
  async #reply(asked: readonly Asked[], find: () => Promise<Answer>): Promise<void> {
    try {
      const answer = await find();
      for (const { id } of asked) this.#port.send({ type: "answer", id, answer });
    } catch (error) {
      const invalid = error instanceof OptamilError && error.code === "invalid_request";
      const message = textOf(error);
      for (const { id } of asked) this.#port.send({ type: "refusal", id, message, invalid });
    }
  }
}

/** Only the embedded warehouse has it, which nobody else can ask. */
function findText(
  warehouse: ChildParts["warehouse"],
  { name, parameters, format }: Extract<Question, { kind: "statement" }>,
): Promise<string> {
  if (warehouse.text === undefined) throw new Error("this warehouse gives no text");
  return warehouse.text(name, parameters, format);
}

function pick({ records, dead, lag }: { records: number; dead: number; lag: number }) {
  return { records, dead, lag };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
