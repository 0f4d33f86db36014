// Checks after a move that both sides have the same usage: rows and credits by account, period and tier.
import type { MoveBooks } from "./move-rows.ts";
import { findStored, type TailEvent, type UsageTailBooks } from "./move-tail.ts";

/** What is compared. */
export type MoveCheckOptions = {
  readonly from: Pick<MoveBooks, "ask">;
  readonly to: Pick<MoveBooks, "ask">;
  /** Events that the source has in its log alone. */
  readonly tail: UsageTailBooks;
  /** Boots of the gateways whose rows are compared, those of the tail included. */
  readonly boots: readonly string[];
  /** Accounts that are compared at once. Default 1,000. */
  readonly accountsMax?: number | undefined;
};

/** What came of it. */
export type MoveCheck = {
  readonly accounts: number;
  readonly rows: bigint;
  readonly creditsMicro: bigint;
  /** A line for each sum that differs. */
  readonly differences: readonly string[];
};

type Sum = { rows: bigint; creditsMicro: bigint };

/** Sorts after every account id. */
const lastAccount = "\u{10ffff}";

/** Compares all accounts, some at a time. */
export async function checkMove(options: MoveCheckOptions): Promise<MoveCheck> {
  const { from, to, boots, accountsMax = 1_000 } = options;
  const differences: string[] = [];
  const accounts = new Set<string>();
  let [rows, creditsMicro] = [0n, 0n];
  for (let after = ""; after !== lastAccount; ) {
    const [page] = await from.ask("move-accounts", { after, limit: accountsMax });
    const isLast = Number(page?.["accounts"] ?? 0) < accountsMax;
    const until = isLast ? lastAccount : String(page?.["last"]);
    const expected = await readSums(from, { after, until, boots });
    await addTail(expected, after, until, options);
    const found = await readSums(to, { after, until, boots });
    for (const [name, sum] of expected) {
      accounts.add(name.split(" ", 1)[0] ?? "");
      rows += sum.rows;
      creditsMicro += sum.creditsMicro;
    }
    differences.push(...compare(expected, found));
    after = until;
  }
  return { accounts: accounts.size, rows, creditsMicro, differences };
}

async function readSums(
  books: Pick<MoveBooks, "ask">,
  asked: { after: string; until: string; boots: readonly string[] },
): Promise<Map<string, Sum>> {
  const rows = await books.ask("move-sums", asked);
  return new Map(
    rows.map((row) => {
      const { account_id: account, period_id: period, tier } = row;
      const sum = {
        rows: BigInt(row["rows"] ?? 0),
        creditsMicro: BigInt(row["credits_micro"] ?? 0),
      };
      return [toName(String(account), String(period), String(tier)), sum];
    }),
  );
}

/** What the source's warehouse would have, had it taken the tail. */
async function addTail(
  sums: Map<string, Sum>,
  after: string,
  until: string,
  { from, tail }: MoveCheckOptions,
): Promise<void> {
  const events = [...tail.events].flatMap(([accountId, ofAccount]) =>
    accountId > after && accountId <= until ? [...ofAccount.values()] : [],
  );
  const stored = await findStored(from, events);
  for (const event of events) {
    const before = stored.get(event.eventId);
    if (before !== undefined && before.rev > event.rev) continue;
    if (before !== undefined) add(sums, { ...event, ...before }, -1n);
    add(sums, event, 1n);
  }
}

function add(sums: Map<string, Sum>, event: TailEvent, sign: 1n | -1n): void {
  const name = toName(event.accountId, event.periodId, event.tier);
  const sum = sums.get(name) ?? { rows: 0n, creditsMicro: 0n };
  sum.rows += sign;
  sum.creditsMicro += sign * event.creditsMicro;
  if (sum.rows === 0n) sums.delete(name);
  else sums.set(name, sum);
}

function compare(expected: ReadonlyMap<string, Sum>, found: ReadonlyMap<string, Sum>): string[] {
  const names = new Set([...expected.keys(), ...found.keys()]);
  return [...names].flatMap((name) => {
    const [one, other] = [expected.get(name) ?? nothing, found.get(name) ?? nothing];
    if (one.rows === other.rows && one.creditsMicro === other.creditsMicro) return [];
    return [`account ${name}: ${toText(one)} here, ${toText(other)} in the fleet`];
  });
}

const nothing: Sum = { rows: 0n, creditsMicro: 0n };

function toText({ rows, creditsMicro }: Sum): string {
  return `${rows} rows with ${creditsMicro} micro-credits`;
}

function toName(accountId: string, periodId: string, tier: string): string {
  return `${accountId} ${periodId} tier ${tier || "none"}`;
}
