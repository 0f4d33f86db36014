// Part of the composition root: every method that is served, over its rooms.
import { DeploymentHealth } from "./chat/deployment-health.ts";
import type { EmbedParts } from "./chat/embed.ts";
import type { OnceParts } from "./chat/idempotent.ts";
import type { Slots } from "./chat/provider-slots.ts";
import { afterOthers } from "./gateway/after-others.ts";
import type { MethodEntry } from "./gateway/exchange.ts";
import { accountMethods } from "./gateway/rpc/accounts.ts";
import { adminMethods } from "./gateway/rpc/admin.ts";
import { analyticsMethods } from "./gateway/rpc/analytics.ts";
import { budgetMethods, createBudgetDesk } from "./gateway/rpc/budgets.ts";
import { chatMethods, type UseParts } from "./gateway/rpc/chat.ts";
import { contentMethods } from "./gateway/rpc/content.ts";
import { embeddingMethods, type UseEmbedParts } from "./gateway/rpc/embeddings.ts";
import { feedbackMethods } from "./gateway/rpc/feedback.ts";
import { keyMethods } from "./gateway/rpc/keys.ts";
import { messageMethods } from "./gateway/rpc/messages.ts";
import { modelMethods } from "./gateway/rpc/models.ts";
import { responseMethods } from "./gateway/rpc/responses.ts";
import { routerMethods } from "./gateway/rpc/router.ts";
import { usageMethods } from "./gateway/rpc/usage.ts";
import type { Caller } from "./keys/verify.ts";
import type { Accounts } from "./main-accounts.ts";
import type { Configuration, Serving } from "./main-config.ts";
import type { OpenContent } from "./main-content.ts";
import type { FreeRates } from "./main-doors.ts";
import type { Metering } from "./main-metering.ts";
import { createSystemReport } from "./main-system.ts";
import { systemClock } from "./platform/clock.ts";
import type { Log } from "./platform/log.ts";
import type { Settings } from "./platform/settings.ts";
import type { UuidSource } from "./platform/uuid.ts";

/** A provider that is silent for this long gets its client a ping: proxies cut at 60 s, and 15 is what clients bear. */
const pingAfterMs = 15_000;

/** What the methods stand on. */
export type Rooms = {
  readonly servings: Configuration["servings"];
  readonly accounts: Accounts;
  readonly metering: Metering;
  readonly rates: FreeRates;
  readonly uuids: UuidSource;
  readonly log: Log;
  /** Who may ask a provider that takes only so many requests at once. */
  readonly slots: Slots;
  /** What accounts have switched on to be kept. */
  readonly content: OpenContent;
};

/** Every method that is served, and the health of the deployments that they ask. */
export function createEntries(
  settings: Settings,
  rooms: Rooms,
): { entries: MethodEntry[]; health: () => DeploymentHealth } {
  const { servings, accounts, metering, rates, uuids, log, content } = rooms;
  const clock = systemClock;
  const chat = {
    ...metering,
    clock,
    uuids,
    slots: rooms.slots,
    pingAfterMs,
    content,
    ...(settings.telemetry?.content && {
      isContentTraced: (accountId: string) =>
        accounts.directory.account(accountId)?.contentSpans ?? false,
    }),
    onUnremembered: (error: unknown, requestId: string) =>
      log.error({ request_id: requestId, error: String(error) }, "a keyed answer was not kept"),
  };
  const partsOf = rememberLast((serving: Serving): OnceParts & EmbedParts => {
    // A deployment may be another one under its old name: each version finds out anew which are well.
    const qualityOf = ({ quality, accountId }: Caller) =>
      quality ?? accounts.directory.account(accountId)?.quality ?? serving.quality;
    return { ...serving, ...chat, qualityOf, health: new DeploymentHealth({ clock }) };
  });
  const use: UseParts = (run) => servings.use((serving) => run(partsOf(serving)));
  const embedBy: UseEmbedParts = (run) => servings.use((serving) => run(partsOf(serving)));
  const health = () => partsOf(servings.current).health;
  const entries = [
    ...chatMethods(use),
    ...messageMethods(use),
    ...responseMethods(use),
    ...embeddingMethods(embedBy),
    ...feedbackMethods({ give: metering.giveFeedback, admit: rates.admitFeedback }),
    ...routerMethods(() => ({ ...partsOf(servings.current), exploration: undefined })),
    ...modelMethods(
      () => servings.current,
      (deployment) => health().report(deployment),
    ),
    ...afterOthers(managingMethods(settings, rooms, health), accounts.others),
    ...analyticsMethods({
      analytics: metering.analytics,
      accountSql: metering.accountSql,
      findAccount: (accountId) => accounts.accounts.find(accountId),
      wallMs: () => clock.wallMs(),
    }),
    ...usageMethods((caller) =>
      metering.counters.usage(caller.accountId, metering.entitlement(caller).totalMicro),
    ),
  ];
  return { entries, health };
}

/** The methods about what all replicas share: accounts, keys and budgets; and all that operators do. */
function managingMethods(
  settings: Settings,
  { servings, accounts, metering, content }: Rooms,
  health: () => DeploymentHealth,
): readonly MethodEntry[] {
  const desk = createBudgetDesk({ budgets: accounts.budgets, counters: metering.counters });
  return [
    ...keyMethods(accounts.manager),
    ...accountMethods({
      ...accounts,
      signUp: accounts.signUp(settings.signUp),
      limitsOf: (caller) => metering.entitlement(caller).limits,
      secure: () => settings.tls !== undefined || settings.publicUrl.startsWith("https:"),
    }),
    ...adminMethods({
      accounts: accounts.accounts,
      manager: accounts.manager,
      desk,
      invite: accounts.invite,
      refund: metering.refund,
      sql: metering.sql,
      audit: metering.audit,
      system: createSystemReport({
        ...{ settings, accounts, metering, health },
        serving: () => servings.current,
      }),
    }),
    ...contentMethods({
      accounts: accounts.accounts,
      store: content.store,
      isTraced: settings.telemetry?.content ?? false,
    }),
    ...budgetMethods(desk, accounts.isLimited),
  ];
}

/** A mapping that is made anew only when its source is another one. */
function rememberLast<Source, Result>(map: (source: Source) => Result): (source: Source) => Result {
  let last: { readonly source: Source; readonly result: Result } | undefined;
  return (source) => {
    if (last?.source !== source) last = { source, result: map(source) };
    return last.result;
  };
}
