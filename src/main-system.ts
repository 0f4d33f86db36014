// Part of the composition root: what an operator sees of a gateway and of what it stands on.
import { periodAt } from "./admission/period.ts";
import type { DeploymentHealth, DeploymentReport } from "./chat/deployment-health.ts";
import type { Diagnosis } from "./cli/command.ts";
import { entitlementOf } from "./directory/entitlement.ts";
import type { SystemReport } from "./gateway/rpc/admin.ts";
import type { Accounts } from "./main-accounts.ts";
import type { Serving } from "./main-config.ts";
import { diagnoseFolder } from "./main-doctor.ts";
import { version } from "./main-doors.ts";
import type { Metering, MeteringStatus } from "./main-metering.ts";
import { systemClock } from "./platform/clock.ts";
import type { Settings } from "./platform/settings.ts";
import { within } from "./platform/within.ts";
import type { Deployment } from "./providers/deployment.ts";
import { readStatement } from "./usage/statement.ts";

/** What is looked at. */
export type SystemParts = {
  readonly settings: Settings;
  readonly accounts: Pick<Accounts, "directory">;
  readonly metering: Metering;
  readonly serving: () => Serving;
  readonly health: () => DeploymentHealth;
};

/** A warehouse that says nothing for so long does not hold up the rest. */
const warehouseTimeoutMs = 10_000;
const startedAt = BigInt(Math.round(Date.now() / 1_000 - process.uptime()));

/** Looks at everything when it is called; whoever asks meanwhile gets the same report. */
export function createSystemReport(parts: SystemParts): () => Promise<SystemReport> {
  let running: Promise<SystemReport> | undefined;
  return () => {
    running ??= report(parts).finally(() => {
      running = undefined;
    });
    return running;
  };
}

async function report(parts: SystemParts): Promise<SystemReport> {
  const { settings, metering, serving, health } = parts;
  const [own, shared, books] = await Promise.all([
    diagnoseOwn(settings, metering),
    diagnoseShared(settings),
    readBooks(parts),
  ]);
  const { log, consumer, degradedEvents, held } = await metering.freshStatus();
  const { config, deployments, embeddings } = serving();
  const all = [...deployments.values(), ...embeddings.values()].flat();
  return {
    version,
    runtime: runtimeName(),
    gatewayId: settings.gatewayId,
    startedAt,
    config: { version: config.version, loadedAt: toSeconds(Date.parse(config.loadedAt)) },
    parts: [...own, ...shared].map(toPart),
    log: {
      events: BigInt(log.endOffset),
      unconfirmed: BigInt(log.endOffset - log.confirmedOffset),
      fill: log.spoolShare,
      ...(degradedEvents !== undefined && { degraded: BigInt(degradedEvents) }),
    },
    ...(consumer && { consumer: toConsumer(consumer) }),
    holds: { open: held.open, heldMicro: held.micro },
    deployments: all.map((one) => toDeployment(one, health().report(one))),
    books,
  };
}

function toPart({ part, status, message, meaning = "", remedy = "" }: Diagnosis) {
  return { part, status, message, meaning, remedy };
}

function runtimeName(): string {
  const { deno, node } = process.versions;
  return deno === undefined ? `node ${node}` : `deno ${deno}`;
}

function toConsumer(status: NonNullable<MeteringStatus["consumer"]>) {
  const { ready, lag, restarts, dead, confirmedAtMs } = status;
  return {
    ready,
    lag: BigInt(lag),
    restarts: BigInt(restarts),
    deadLetters: BigInt(dead),
    ...(confirmedAtMs !== undefined && { confirmedAt: toSeconds(confirmedAtMs) }),
  };
}

function toDeployment(deployment: Deployment, found: DeploymentReport) {
  const { provider, model, upstreamModel, live } = deployment;
  const { state, failures, retryAfterMs, answers, latencyMs, lastError } = found;
  return {
    ...{ provider, model, upstreamModel, live, state, failures },
    retryAfterMs: Math.ceil(retryAfterMs),
    answers: BigInt(answers),
    ...(latencyMs !== undefined && { latencyMs }),
    ...(lastError !== undefined && {
      lastError: lastError.errorClass,
      lastErrorAt: toSeconds(systemClock.wallMs() - lastError.agoMs),
    }),
  };
}

/** This process and its machine. */
async function diagnoseOwn(settings: Settings, metering: Metering): Promise<Diagnosis[]> {
  const { log, countersUp, countersSlow } = await metering.freshStatus();
  const meaning = "requests get 503: what cannot be recorded is not served";
  const remedy = "make room on the disk, and see what holds up the consumer";
  const refusing: Diagnosis =
    log.refusing === undefined
      ? { part: "usage log", status: "ok", message: "takes events" }
      : {
          ...{ part: "usage log", status: "error", meaning, remedy },
          message: `is full: ${log.refusing}`,
        };
  return [
    ...(await diagnoseWarehouse(metering)),
    refusing,
    ...(countersUp === undefined ? [] : [toCounters(countersUp, countersSlow)]),
    ...(await diagnoseFolder(settings)),
  ];
}

function toCounters(up: boolean, slow = false): Diagnosis {
  const part = "counters";
  if (slow) {
    const meaning = "requests go ahead of them within the overdraft, and wait for them beyond it";
    const remedy = "see how busy Redis is, and the network between";
    return { part, status: "notice", message: "are slow", meaning, remedy };
  }
  if (up) return { part, status: "ok", message: "can be trusted" };
  const meaning = "accounts without an overdraft get 503";
  const remedy = "see Redis, and 'shared counters' in the log";
  return { part, status: "error", message: "cannot be trusted", meaning, remedy };
}

async function diagnoseWarehouse({ sql }: Metering): Promise<Diagnosis[]> {
  const part = "warehouse";
  try {
    const text = await within(warehouseTimeoutMs, sql("SELECT version()", "TSV"));
    if (text === undefined) throw new Error("no answer in time");
    return [{ part, status: "ok", message: `answers, ClickHouse ${text.trim()}` }];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const meaning = "requests and /v1/usage go on; sql and analytics get 503, events wait";
    const remedy = "'trouble' lines of the log say why; it is tried again by itself";
    return [{ part, status: "error", message, meaning, remedy }];
  }
}

/** What a fleet shares. */
async function diagnoseShared({ fleet }: Settings): Promise<readonly Diagnosis[]> {
  if (fleet === undefined) return [];
  const { diagnoseFleet } = await import("./main-dependencies.ts");
  return diagnoseFleet(fleet);
}

/** The greatest accounts: what the counters say beside what the warehouse has. */
async function readBooks(parts: SystemParts): Promise<NonNullable<SystemReport["books"]>> {
  const { metering, settings } = parts;
  const periodId = periodAt(systemClock.wallMs()).id;
  const { log: before } = await metering.freshStatus();
  const asked = metering.sql(readStatement("books"), "TSV").catch(() => undefined);
  const text = await within(warehouseTimeoutMs, asked);
  const rows = (text ?? "").split("\n").filter((row) => row !== "");
  const accounts = await Promise.all(
    rows.map((row) => {
      const [accountId = "", stored = "0"] = row.split("\t");
      return readAccount(accountId, BigInt(stored), periodId, parts);
    }),
  );
  const { log: after } = await metering.freshStatus();
  // Only then have both been asked about the same events.
  const isQuiet =
    before.confirmedOffset === before.endOffset && before.endOffset === after.endOffset;
  const drifts = accounts.map(({ settledMicro, storedMicro }) => settledMicro - storedMicro);
  const driftMicro = drifts.reduce((sum, one) => sum + (one < 0n ? -one : one), 0n);
  const isKnown = isQuiet && settings.fleet === undefined && text !== undefined;
  return { periodId, accounts, ...(isKnown && { driftMicro }) };
}

async function readAccount(
  accountId: string,
  storedMicro: bigint,
  periodId: string,
  { accounts: { directory }, metering, serving }: SystemParts,
) {
  const account = directory.account(accountId);
  const { totalMicro } = entitlementOf(account, serving().plans, periodId);
  const { usedMicro, heldMicro } = await metering.counters.usage(accountId, totalMicro);
  return {
    accountId,
    name: account?.name ?? "",
    grantedMicro: totalMicro,
    balanceMicro: totalMicro - heldMicro - usedMicro,
    heldMicro,
    settledMicro: usedMicro,
    storedMicro,
  };
}

function toSeconds(ms: number): bigint {
  return BigInt(Math.floor(ms / 1_000));
}
