// Part of the composition root: whether this release works with the tables and topics of its fleet.
import { setTimeout as wait } from "node:timers/promises";
import type { KafkaConnection } from "./platform/kafka/client.ts";
import type { Log } from "./platform/log.ts";
import { judgeSchema, type SchemaState } from "./platform/schema.ts";
import { SettingsError } from "./platform/settings.ts";
import { within } from "./platform/within.ts";
import type { ClickHouseWarehouse } from "./usage/clickhouse.ts";
import { readMeta } from "./usage/kafka/epochs.ts";
import { topicsVersion, unnotedTopics, usageTopics } from "./usage/kafka/topics.ts";
import { schemaVersion } from "./usage/statement.ts";

/** How the tables and topics are asked for. */
export type SchemaParts = {
  readonly warehouse: Pick<ClickHouseWarehouse, "schema">;
  readonly connection: KafkaConnection;
  readonly log: Log;
  /** Told, once, of a mismatch that shows after the start, as something was away then. */
  readonly onMismatch: (error: SettingsError) => void;
};

/** A start waits so long for an answer; what is away later than that is asked again and again. */
const firstLookMs = 5_000;
const againMs = 2_000;

/** What looks at the schemas. */
export type SchemaGuard = {
  /** Resolves when both are known, and fit. */
  readonly known: Promise<void>;
  close(): void;
};

/**
 * Looks at the tables' schema and the topics'. Throws SettingsError, of one line, if this release does not work with one of them. One
 * that does not answer holds no start up: a gateway serves without ClickHouse, and hears of a mismatch when it is back.
 */
export async function guardSchema({
  warehouse,
  connection,
  log,
  onMismatch,
}: SchemaParts): Promise<SchemaGuard> {
  const looks = [
    { look: async () => judgeTables(await warehouse.schema()), known: false },
    {
      look: async () => judgeTopics((await readMeta(connection, usageTopics.meta)).schema),
      known: false,
    },
  ];
  const lookOnce = async () => {
    const unknown = looks.filter((one) => !one.known);
    const looked = unknown.map(async (one) => {
      await one.look();
      one.known = true;
    });
    // A mismatch is told at once, whatever is away beside it.
    await Promise.all(looked);
    return true;
  };
  const closed = new AbortController();
  const { promise: known, resolve } = Promise.withResolvers<void>();
  const lookAgain = async () => {
    while (!closed.signal.aborted) {
      try {
        await lookOnce();
        resolve();
        return;
      } catch (error) {
        if (error instanceof SettingsError) return onMismatch(error);
        await wait(againMs, undefined, { signal: closed.signal }).catch(() => undefined);
      }
    }
  };
  const first = await within(firstLookMs, lookOnce()).catch((error: unknown) => {
    if (error instanceof SettingsError) throw error;
    log.warn({ trouble: String(error) }, "the version of the schema is not known yet");
  });
  if (first === true) resolve();
  else void lookAgain();
  return { known, close: () => closed.abort() };
}

/** Nothing that was made yet is none of another release: who consumes makes it. */
function judgeTables(found: SchemaState): void {
  if (found.version > 0) refuseMisfit("ClickHouse", found, schemaVersion);
}

function judgeTopics(found: SchemaState = unnotedTopics): void {
  refuseMisfit("Kafka", found, topicsVersion);
}

function refuseMisfit(where: string, found: SchemaState, known: number): void {
  const verdict = judgeSchema(where, found, known);
  if (!verdict.fits) throw new SettingsError([verdict.problem]);
}
