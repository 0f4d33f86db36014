/** Looks at the books while everything moves: what must be true at any moment. */
import { setTimeout as wait } from "node:timers/promises";
import { expect } from "vitest";
import { periodAt } from "../../src/admission/period.ts";
import { connectRedis, RedisCounters } from "../../src/admission/redis.ts";
import { CountersUnreachable } from "../../src/admission/shared-counters.ts";
import { nothingLoaded } from "../../src/main-metering.ts";
import type { Fleet } from "./fleet.ts";
import { accountOf } from "./fleet-books.ts";

/** What was seen. */
export type Sampled = {
  /** Looks at one account. */
  readonly samples: number;
  /** Looks at which Redis was away, or had just lost the account. */
  readonly away: number;
  /** Those at which granted was not balance + held + settled, item by item. */
  readonly wrong: number;
};

/** Between two looks at all accounts. */
const everyMs = 100;

/** Samples the ledgers of accounts in Redis until it is stopped. */
export function startSamples(fleet: Fleet, keys: readonly string[]) {
  const connection = connectRedis({ url: fleet.proxies?.redisUrl ?? fleet.redis.url });
  const counters = new RedisCounters({ connection, loadBase: () => nothingLoaded });
  const accountIds = keys.map(accountOf);
  const seen = { samples: 0, away: 0, wrong: 0 };
  let stopped = false;

  async function look(accountId: string): Promise<void> {
    try {
      const check = await counters.check(accountId, periodAt(Date.now()).id);
      if (check === undefined) seen.away += 1;
      else {
        seen.samples += 1;
        const { usedMicro, heldMicro, marginMicro } = check;
        const isRight =
          usedMicro.sum === usedMicro.ofItems &&
          heldMicro.sum === heldMicro.ofItems &&
          marginMicro.sum === marginMicro.ofItems;
        if (!isRight) seen.wrong += 1;
      }
    } catch (error) {
      if (!(error instanceof CountersUnreachable)) throw error;
      seen.away += 1;
      await open().catch(ignore);
    }
  }

  const open = async () => counters.open((await counters.beat(false)).generation);
  const run = async () => {
    while (!stopped) {
      for (const accountId of accountIds) await look(accountId);
      await wait(everyMs);
    }
  };
  const running = run();
  return {
    /** Ends it; fails unless every look was right and there were some. */
    async stop(): Promise<Sampled> {
      stopped = true;
      await running;
      connection.close();
      expect(seen.wrong).toBe(0);
      expect(seen.samples).toBeGreaterThan(0);
      return seen;
    },
  };
}

function ignore(error: unknown): void {
  if (!(error instanceof CountersUnreachable)) throw error;
}
