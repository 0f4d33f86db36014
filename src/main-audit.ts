// Part of the composition root: the audits of a fleet, of its records and of the counters in Redis.
import { setTimeout as wait } from "node:timers/promises";
import { periodAt } from "./admission/period.ts";
import type { LedgerCheck, RedisCounters } from "./admission/redis.ts";
import type { DirectoryReader } from "./directory/directory.ts";
import { systemClock } from "./platform/clock.ts";
import type { KafkaConnection } from "./platform/kafka/client.ts";
import { auditRecords, type Finding } from "./usage/audit.ts";
import type { ClickHouseWarehouse } from "./usage/clickhouse.ts";
import type { DeadLetter } from "./usage/consumer-store.ts";
import { openKafkaDeadLetters } from "./usage/kafka/dead-letters.ts";
import { nothingUsed, totalOf } from "./usage/warehouse.ts";

/** What is audited. */
export type FleetAuditParts = {
  readonly warehouse: ClickHouseWarehouse;
  readonly connection: KafkaConnection;
  readonly directory: DirectoryReader;
  readonly shared: RedisCounters;
};

const lettersPerPage = 1_000;
/** Dead letters that an audit knows of. */
const lettersMax = 100_000;
const accountsPerPage = 1_000;
/** Looks at an account whose sums differ, until the consumers have had the time to carry what is in the log. */
const looksMax = 5;
const lookEveryMs = 1_000;

/** What is odd about an account. */
type Oddity = {
  readonly text: string;
  /** Wrong however the account moves, as both figures were seen at the same moment. */
  readonly isLasting: boolean;
};

/** All findings; none of severity "error" means that the books are right. */
export async function auditFleet(parts: FleetAuditParts): Promise<readonly Finding[]> {
  return [...(await auditStored(parts)), ...(await auditCounters(parts))];
}

/** The audits of records, with the dead letters of the topic. */
async function auditStored({
  warehouse,
  connection,
}: FleetAuditParts): Promise<readonly Finding[]> {
  const topic = openKafkaDeadLetters(connection);
  try {
    const byLog = new Map<string, DeadLetter[]>();
    let from = 0;
    for (let read = 0; read < lettersMax; ) {
      const page = await topic.list(from, lettersPerPage);
      for (const letter of page) {
        const name = `${letter.topic}/${letter.partition}`;
        byLog.set(name, [...(byLog.get(name) ?? []), letter]);
      }
      const last = page.at(-1);
      if (last === undefined) break;
      read += page.length;
      from = last.id + 1;
    }
    const deadLetters = (logName: string, fromOffset: number, limit: number) =>
      (byLog.get(logName) ?? [])
        .filter(({ offset }) => offset >= fromOffset)
        .toSorted((one, other) => one.offset - other.offset)
        .slice(0, limit);
    return await auditRecords({ warehouse, records: { deadLetters } });
  } finally {
    await topic.close();
  }
}

/** Of each account the counters' sums are those of their items, and of the warehouse. */
async function auditCounters({
  warehouse,
  directory,
  shared,
}: FleetAuditParts): Promise<Finding[]> {
  const periodId = periodAt(systemClock.wallMs()).id;
  const findings: Finding[] = [];
  for (let after: string | undefined; ; ) {
    const { accounts, hasMore } = directory.accounts({
      limit: accountsPerPage,
      ...(after !== undefined && { after }),
    });
    after = accounts.at(-1)?.id;
    const ids = accounts.map(({ id }) => id);
    for (const [id, { text }] of await findOdd(ids, periodId, warehouse, shared)) {
      const message = `account ${id}, ${periodId}: ${text}`;
      findings.push({ audit: "sums", severity: "error", message });
    }
    if (!hasMore) return findings;
  }
}

/** Accounts whose running sums are wrong, and those that differ from the warehouse and stand still. */
async function findOdd(
  accountIds: readonly string[],
  periodId: string,
  warehouse: ClickHouseWarehouse,
  shared: RedisCounters,
): Promise<ReadonlyMap<string, Oddity>> {
  let odd = await lookAt(accountIds, periodId, warehouse, shared);
  for (let look = 1; look < looksMax && odd.size > 0; look += 1) {
    await wait(lookEveryMs);
    const again = await lookAt([...odd.keys()], periodId, warehouse, shared);
    odd = new Map(
      [...again].filter(([id, { text, isLasting }]) => isLasting || odd.get(id)?.text === text),
    );
  }
  return odd;
}

/** What is odd about accounts, by their ids. */
async function lookAt(
  accountIds: readonly string[],
  periodId: string,
  warehouse: ClickHouseWarehouse,
  shared: RedisCounters,
): Promise<ReadonlyMap<string, Oddity>> {
  const checks = await Promise.all(accountIds.map((id) => shared.check(id, periodId)));
  const sums = await warehouse.sums(accountIds, [periodId]);
  const stored = new Map(sums.map(({ accountId, microByTier }) => [accountId, microByTier]));
  const odd = new Map<string, Oddity>();
  for (const [at, id] of accountIds.entries()) {
    const check = checks[at];
    const found = check && whatIsOdd(check, totalOf(stored.get(id) ?? nothingUsed));
    if (found !== undefined) odd.set(id, found);
  }
  return odd;
}

function whatIsOdd(check: LedgerCheck, storedMicro: bigint): Oddity | undefined {
  for (const [name, { sum, ofItems }] of Object.entries(check)) {
    if (sum === ofItems) continue;
    return { text: `${name} is ${sum}, but its items add up to ${ofItems}`, isLasting: true };
  }
  const { sum } = check.usedMicro;
  if (sum === storedMicro) return undefined;
  const text = `the counters have ${sum} used, the warehouse ${storedMicro}`;
  return { text, isLasting: false };
}
