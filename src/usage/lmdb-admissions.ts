// How many requests each key was admitted on a UTC day: what the limits of the day go on from after a restart.
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { LogTables } from "./lmdb-tables.ts";

const dayUs = 86_400_000_000;

type Count = {
  readonly day: number;
  readonly accountId: string;
  readonly keyId: string;
  requests: number;
  isWritten: boolean;
};

/** The counts of the newest day; they are written with the holds that they count. */
export class AdmissionCounts {
  readonly #table: LogTables["admissions"];
  #day: number;
  #byAccount = new Map<string, Map<string, Count>>();
  /** Those that have changed since they were written: however many holds a commit has, it writes each once. */
  #changed: Count[] = [];

  /** Reads the counts of a day, given as Unix days. */
  constructor({ admissions }: Pick<LogTables, "admissions">, day: number) {
    this.#table = admissions;
    this.#day = day;
    for (const { key, value } of admissions.getRange({ start: [day, "", ""] })) {
      const [storedDay, accountId, keyId] = key;
      if (storedDay === day) this.#countOf(accountId, keyId).requests = value;
    }
  }

  /** The day's requests of an account by key id. */
  ofAccount(accountId: string): ReadonlyMap<string, number> {
    const counts = this.#byAccount.get(accountId)?.values() ?? [];
    return new Map([...counts].map(({ keyId, requests }) => [keyId, requests]));
  }

  /** Counts a hold. */
  add({ accountId, keyJti, admittedAtUs }: UsageEvent): void {
    const day = Math.floor(Number(admittedAtUs) / dayUs);
    if (day > this.#day) {
      this.#day = day;
      this.#byAccount = new Map();
    }
    // A clock that was put back counts on: the limits do the same.
    const count = this.#countOf(accountId, keyJti);
    count.requests += 1;
    if (!count.isWritten) return;
    count.isWritten = false;
    this.#changed.push(count);
  }

  /** Writes what has changed; inside of the transaction that writes the holds. */
  write(): void {
    const changed = this.#changed;
    this.#changed = [];
    for (const count of changed) {
      count.isWritten = true;
      void this.#table.put([count.day, count.accountId, count.keyId], count.requests);
    }
  }

  /** Removes what older days have left, at most so many counts; inside of a transaction. */
  trim(countsMax: number): void {
    const end = [this.#day, "", ""];
    for (const key of this.#table.getKeys({ end, limit: countsMax })) void this.#table.remove(key);
  }

  #countOf(accountId: string, keyId: string): Count {
    let keys = this.#byAccount.get(accountId);
    if (keys === undefined) {
      keys = new Map();
      this.#byAccount.set(accountId, keys);
    }
    let count = keys.get(keyId);
    if (count === undefined) {
      count = { day: this.#day, accountId, keyId, requests: 0, isWritten: true };
      keys.set(keyId, count);
    }
    return count;
  }
}
