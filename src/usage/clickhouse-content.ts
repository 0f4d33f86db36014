// Kept content of a fleet, in a database of its own on ClickHouse.
import { setTimeout as wait } from "node:timers/promises";
import { Batched } from "../platform/batched.ts";
import type { Clock } from "../platform/clock.ts";
import { OptamilError } from "../platform/errors.ts";
import type { ClickHouseWarehouse } from "./clickhouse.ts";
import type { ContentStore, RequestContent } from "./content-store.ts";

/** How to open the store. */
export type ClickHouseContentOptions = {
  /** The server; its owner closes it. */
  readonly warehouse: Pick<ClickHouseWarehouse, "ask" | "keepContents" | "removeContents">;
  readonly clock: Pick<Clock, "wallMs">;
  /** How long requests are gathered for one insert, milliseconds. Default 200: five inserts a second are no burden. */
  readonly gatherMs?: number | undefined;
};

/** Of 64 KiB twice each: 16 MiB. */
const requestsAtOnce = 128;
const retryAfterMs = 5_000;

type Kept = { readonly accountId: string; readonly content: RequestContent };

/** The store that all replicas of a fleet share. What expires, the server deletes by itself. */
export function openClickHouseContent(options: ClickHouseContentOptions): ContentStore {
  const { warehouse, clock, gatherMs = 200 } = options;
  const inserts = new Batched<Kept, true>(requestsAtOnce, async (batch) => {
    await warehouse.keepContents(batch.map(toRow));
    // So that those who come meanwhile share the next one.
    await wait(gatherMs);
    return batch.map(() => true);
  });
  const remove = (accountId: string, requestId?: string) =>
    reached(warehouse.removeContents(accountId, requestId));
  return {
    async put(accountId, content) {
      await inserts.ask({ accountId, content });
    },
    async get(accountId, requestId) {
      const asked = { accountId, requestId, nowMs: Math.floor(clock.wallMs()) };
      const [row] = await reached(warehouse.ask("content-of-request", asked));
      return row && toContent(requestId, row);
    },
    remove,
    async accountIds() {
      const rows = await warehouse.ask("content-accounts", {});
      return rows.map((row) => String(row["account_id"]));
    },
    removeAll: (accountId) => remove(accountId),
    sweep: async () => false,
    close: async () => undefined,
  };
}

/** What the account is told of a server that does not answer. */
async function reached<Value>(asked: Promise<Value>): Promise<Value> {
  try {
    return await asked;
  } catch (cause) {
    const message = "What is kept cannot be reached at the moment. Please try again.";
    throw new OptamilError("service_unavailable", message, { cause, retryAfterMs });
  }
}

function toRow({ accountId, content }: Kept): object {
  return {
    account_id: accountId,
    request_id: content.requestId,
    expires_at: (content.expiresAtMs / 1_000).toFixed(3),
    prompt: content.prompt,
    answer: content.answer,
    prompt_cut: content.promptCut,
    answer_cut: content.answerCut,
  };
}

function toContent(requestId: string, row: Readonly<Record<string, unknown>>): RequestContent {
  return {
    requestId,
    prompt: String(row["prompt"]),
    answer: String(row["answer"]),
    promptCut: row["prompt_cut"] === true,
    answerCut: row["answer_cut"] === true,
    expiresAtMs: Number(row["expires_at_ms"]),
  };
}
