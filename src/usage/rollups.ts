// Sums by pieces of the days of large accounts, so that their charts need not read every row. Nothing is billed from them.
import { type AskRollups, toFirstId } from "./rollup-reach.ts";

/** What is rolled up, and when. */
export type RollupOptions = {
  /** Rows of a day that make an account a large one. Default 5,000: fewer are read in a few milliseconds. */
  readonly rowsMin?: number | undefined;
  /** Seconds without a new row after which a day, or the whole hours of the present one, are rolled up. Default 300: more than an insert can take. */
  readonly quietSeconds?: number | undefined;
};

/** Keeps rollups up to date. */
export interface Rollups {
  /** Notes what there was before there were rollups; once. */
  seed(): Promise<void>;
  /** Rolls up one day of one account, as far as its hours are over, and gives the account's id; undefined: none is due. */
  next(): Promise<string | undefined>;
}

const hoursPerDay = 24;

/** Rollups of the warehouse that is asked. */
export function createRollups(
  ask: AskRollups,
  { rowsMin = 5_000, quietSeconds = 300 }: RollupOptions,
): Rollups {
  return {
    async seed() {
      const [row] = await ask("rollup-seeded", {});
      if (Number(row?.["seeds"]) > 0) return;
      await ask("rollup-seed", {});
      await ask("rollup-mark", {});
    },
    async next() {
      const [due] = await ask("rollup-due", { rows: rowsMin, quiet: quietSeconds });
      if (due === undefined) return undefined;
      const day = Number(due["id_day"]);
      const until = Number(due["until_hour"]);
      // What is inserted from here on makes the rollup an old one.
      const account = String(due["account_id"]);
      const rollup = { account, day, made_at: due["made_at_ms"] };
      const ids = { first: toFirstId(day * hoursPerDay), after: toFirstId(until) };
      await ask("rollup-fill", { ...rollup, ...ids });
      await ask("rollup-widen", rollup);
      await ask("rollup-done", { ...rollup, until });
      return account;
    },
  };
}
