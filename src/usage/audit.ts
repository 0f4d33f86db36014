// Checks that nothing is lost and nothing counts twice, by three ways that do not depend on each other.
import type { Base, ConsumerRecords, DeadLetter } from "./consumer-store.ts";
import { parseRecord } from "./parse-record.ts";
import {
  type AuditedWarehouse,
  type BootRecords,
  type NumberRun,
  nothingUsed,
  type PeriodSums,
  toLedgerKey,
  totalOf,
  type Warehouse,
} from "./warehouse.ts";

/** What the audits look at. Nothing may be inserted meanwhile, and everything must be confirmed. */
export type AuditParts = {
  readonly warehouse: AuditedWarehouse & Pick<Warehouse, "sumsAfter">;
  readonly records: ConsumerRecords;
};

/** What the audits of records look at. */
export type RecordAuditParts = {
  readonly warehouse: AuditedWarehouse;
  readonly records: Pick<ConsumerRecords, "deadLetters">;
};

/** Something that is not as it should be. */
export type Finding = {
  /** Which audit found it. */
  readonly audit: "sequence" | "offsets" | "events" | "sums";
  /** "notice": worth knowing, but no sum is wrong. */
  readonly severity: "error" | "notice";
  /** One line. */
  readonly message: string;
};

/** All findings; none of severity "error" means that the books are right. */
export async function audit(parts: AuditParts): Promise<readonly Finding[]> {
  return [...(await auditRecords(parts)), ...(await auditSums(parts))];
}

/** The findings about records alone: each is stored, once. */
export async function auditRecords(parts: RecordAuditParts): Promise<readonly Finding[]> {
  return [
    ...(await auditSequences(parts)),
    ...(await auditOffsets(parts)),
    ...(await auditEvents(parts)),
  ];
}

const deadLettersPerPage = 1_000;
const accountsPerPage = 1_000;
const rowsPerPart = 1_000_000n;

/** Each boot of a gateway numbered its events without gaps; poison took its numbers along. */
async function auditSequences({ warehouse, records }: RecordAuditParts): Promise<Finding[]> {
  const boots = await warehouse.boots();
  const logNames = new Set((await warehouse.logs()).map(({ logName }) => logName));
  const dead = [...logNames].flatMap((logName) => [...deadLettersOf(records, logName)]);
  const parsed = dead.map((letter) => parseRecord(letter));
  const unreadable = parsed.filter((event) => typeof event === "string").length;
  return boots.flatMap((boot) => {
    const missing = missingIn(boot);
    if (missing === 0n && isContiguous(boot)) return [];
    // Poison says nothing reliable about its own number: it may explain as many gaps as there are letters.
    const explained = missing > 0n && missing <= BigInt(unreadable);
    return [toSequenceFinding(boot, missing, explained)];
  });
}

/** Each log's offsets are stored or dead letters, without gaps. */
async function auditOffsets({ warehouse, records }: RecordAuditParts): Promise<Finding[]> {
  const logs = await warehouse.logs();
  return logs.flatMap((log): Finding[] => {
    const dead = [...deadLettersOf(records, log.logName)].filter(
      ({ offset }) => BigInt(offset) > log.first && BigInt(offset) < log.last,
    );
    const total = dead.reduce((sum, { offset }) => sum + BigInt(offset), log.total);
    const run = { ...log, records: log.records + BigInt(dead.length), total };
    if (isContiguous(run)) return [];
    const message = `log ${log.logName}: of offsets ${log.first} to ${log.last} ${missingIn(run)} are missing`;
    return [{ audit: "offsets", severity: "error", message }];
  });
}

/** Each recorded event is stored, and counts once. */
async function auditEvents({ warehouse }: RecordAuditParts): Promise<Finding[]> {
  const { rows, effective } = await warehouse.rows();
  const parts = Number(rows / rowsPerPart) + 1;
  const findings: Finding[] = [];
  for (let part = 0; part < parts; part++) {
    for (const odd of await warehouse.oddEvents(part, parts)) {
      const what =
        odd.rows === 0
          ? "is recorded but not stored"
          : `counts ${odd.rows} times for ${odd.records} records`;
      findings.push({
        audit: "events",
        severity: "error",
        message: `event ${odd.eventId} ${what}`,
      });
    }
  }
  if (rows > effective) {
    const message = `${rows - effective} rows are repeated or replaced by a later one, and do not count`;
    findings.push({ audit: "events", severity: "notice", message });
  }
  return findings;
}

/** What the counters stand on is what the warehouse sums up to. */
async function auditSums({ warehouse, records }: AuditParts): Promise<Finding[]> {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  for (let after = ""; ; ) {
    const sums = await warehouse.sumsAfter(after, accountsPerPage);
    for (const sum of sums) {
      seen.add(toLedgerKey(sum));
      const base = records.base(sum.accountId, sum.periodId);
      if (!isSame(sum, base)) findings.push(toSumFinding(sum, base));
    }
    const last = sums.at(-1);
    if (last === undefined) break;
    after = last.accountId;
  }
  for (const base of basesOf(records)) {
    if (seen.has(toLedgerKey(base))) continue;
    const sum = { ...base, microByTier: nothingUsed };
    if (!isSame(sum, base)) findings.push(toSumFinding(sum, base));
  }
  return findings;
}

function* deadLettersOf(
  records: RecordAuditParts["records"],
  logName: string,
): Generator<DeadLetter> {
  for (let from = 0; ; ) {
    const page = records.deadLetters(logName, from, deadLettersPerPage);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    from = last.offset + 1;
  }
}

function* basesOf(records: ConsumerRecords): Generator<Base> {
  for (let after = ""; ; ) {
    const page = records.basesAfter(after, accountsPerPage);
    yield* page;
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.accountId;
  }
}

/** Negative where a number was used more than once. */
function missingIn({ first, last, records }: NumberRun): bigint {
  return last - first + 1n - records;
}

/** As many as from first to last, and with their sum: a gap beside a double does not hide. */
function isContiguous(run: NumberRun): boolean {
  return missingIn(run) === 0n && run.total * 2n === (run.first + run.last) * run.records;
}

function toSequenceFinding(boot: BootRecords, missing: bigint, explained: boolean): Finding {
  const { gatewayId, bootEpoch, first, last } = boot;
  const run = `gateway ${gatewayId}, boot ${bootEpoch}: of numbers ${first} to ${last}`;
  const tail = explained ? ", no more than there are undecodable dead letters" : "";
  return {
    audit: "sequence",
    severity: explained ? "notice" : "error",
    message: `${run} ${missing} are missing${tail}`,
  };
}

function isSame({ microByTier: sum }: PeriodSums, base: Base | undefined): boolean {
  const known = base?.microByTier ?? nothingUsed;
  return (
    sum.free === known.free &&
    sum.budget === known.budget &&
    sum.mid === known.mid &&
    sum.premium === known.premium &&
    sum.ultra === known.ultra
  );
}

function toSumFinding(sum: PeriodSums, base: Base | undefined): Finding {
  const [stored, known] = [totalOf(sum.microByTier), totalOf(base?.microByTier ?? nothingUsed)];
  const message = `account ${sum.accountId}, ${sum.periodId}: ${stored} micro-credits are stored, ${known} confirmed`;
  return { audit: "sums", severity: "error", message };
}
