// Part of the composition root: prompts and answers of the accounts that switched on that they are kept.
import { join } from "node:path";
import type { KeepContent } from "./chat/idempotent.ts";
import type { DirectoryReader } from "./directory/directory.ts";
import type { Others } from "./gateway/after-others.ts";
import { systemClock } from "./platform/clock.ts";
import type { Log } from "./platform/log.ts";
import type { Settings } from "./platform/settings.ts";
import type { ContentStore } from "./usage/content-store.ts";
import { openLmdbContent } from "./usage/lmdb-content.ts";

/** What keeps content, and where it lies. */
export type OpenContent = KeepContent & { readonly store: ContentStore };

const dayMs = 86_400_000;
const sweepEveryMs = 60_000;
/** Requests that are being written; beyond, they are not kept: a slow disk must not take the memory. */
const writingMax = 256;

/** Opens the store of a data folder, or uses another process's or a fleet's; it closes with the resources. */
export function openContent(
  { dataDirectory, fleet }: Pick<Settings, "dataDirectory" | "fleet">,
  {
    directory,
    others,
    isAway,
    log,
    resources,
  }: {
    readonly directory: Pick<DirectoryReader, "account">;
    /** Whose changes are waited for; undefined: there are none. */
    readonly others?: Pick<Others, "catchUp"> | undefined;
    /** Whether changes by other replicas do not arrive at the moment. Default: there are none. */
    readonly isAway?: (() => boolean) | undefined;
    readonly log: Log;
    readonly resources: AsyncDisposableStack;
  },
  remote?: ContentStore,
): OpenContent {
  const clock = systemClock;
  const store = remote ?? openLmdbContent({ path: join(dataDirectory, "content"), clock });
  const daysOf = (accountId: string) => directory.account(accountId)?.contentDays ?? 0;
  const onTrouble = (error: unknown) =>
    log.warn({ error: String(error) }, "what was said in a request was not kept");
  const writing = new Set<Promise<void>>();
  const forgetOff = async () => {
    const accountIds = await store.accountIds();
    // What was kept before was switched on before; who does not hear of that deletes nothing.
    await others?.catchUp();
    if (isAway?.()) return;
    const off = accountIds.filter((accountId) => directory.account(accountId)?.contentDays === 0);
    await Promise.all(off.map((accountId) => store.removeAll(accountId)));
  };
  const sweep = async () => {
    while (await store.sweep());
  };
  const forgetAndSweep = () => forgetOff().then(sweep);
  // Of a fleet another replica may have heard of it a moment later, and kept one more.
  const sweepAgain = fleet ? forgetAndSweep : sweep;
  // It may have been switched off while no gateway ran.
  let sweeping = forgetAndSweep().catch(onTrouble);
  const timer = setInterval(() => {
    sweeping = sweeping.then(sweepAgain).catch(onTrouble);
  }, sweepEveryMs);
  resources.defer(async () => {
    clearInterval(timer);
    await sweeping;
    await Promise.all(writing);
    await store.close();
  });
  return {
    store,
    daysOf,
    keep(accountId, requestId, noted) {
      // It may have been switched off while the request ran.
      const days = daysOf(accountId);
      if (days === 0) return;
      if (writing.size >= writingMax) return onTrouble("too many are being written");
      const expiresAtMs = clock.wallMs() + days * dayMs;
      const put = store.put(accountId, { requestId, ...noted, expiresAtMs }).catch(onTrouble);
      writing.add(put);
      void put.then(() => writing.delete(put));
    },
  };
}
