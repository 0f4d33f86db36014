/** The operations on accounts over a directory of their own, in a temporary folder. */
import { createPlans } from "../../src/catalogue/plans.ts";
import type { Directory } from "../../src/directory/directory.ts";
import { type AccountManager, createAccountManager } from "../../src/directory/manage.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";
import { createLmdbHome } from "./lmdb-home.ts";

/** What a test looks at. */
export type AccountRoom = {
  readonly directory: Directory;
  readonly accounts: AccountManager;
  readonly clock: { nowMs: number; wallMs(): number; monotonicMs(): number };
  /** Leaves nothing behind. */
  close(): Promise<void>;
};

/** An empty directory in November 2026, with an issuer whose keys are texts that name the account. */
export async function openAccountRoom(): Promise<AccountRoom> {
  const clock = {
    nowMs: Date.UTC(2026, 10, 23),
    wallMs: () => clock.nowMs,
    monotonicMs: () => clock.nowMs,
  };
  const home = await createLmdbHome();
  const directory = await home.open(clock);
  const uuids = createUuidSource(clock);
  const accounts = createAccountManager({
    store: directory,
    plans: createPlans(),
    isModel: (name) => name === "gpt-5",
    issueKey: async ({ accountId, plan, name }) => ({
      key: `key of ${accountId} on ${plan}`,
      change: { case: "keyCreated", value: { keyId: uuids.text(), accountId, name } },
    }),
    uuids,
    currentPeriodId: () => new Date(clock.nowMs).toISOString().slice(0, 7),
  });
  return {
    directory,
    accounts,
    clock,
    async close() {
      await directory.close();
      await home.remove();
    },
  };
}
