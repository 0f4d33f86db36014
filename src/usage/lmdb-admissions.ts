// How many requests each key was admitted on a UTC day: what the limits of the day go on from after a restart.
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";
import type { LogTables } from "./lmdb-tables.ts";

const dayUs = 86_400_000_000n;

/** The counts of the newest day; they are written with the holds that they count. */
export class AdmissionCounts {
  readonly #table: LogTables["admissions"];
  #day: number;
  #byAccount = new Map<string, Map<string, number>>();

  /** Reads the counts of a day, given as Unix days. */
  constructor({ admissions }: Pick<LogTables, "admissions">, day: number) {
    this.#table = admissions;
    this.#day = day;
    for (const { key, value } of admissions.getRange({ start: [day, "", ""] })) {
      const [storedDay, accountId, keyId] = key;
      if (storedDay === day) this.#keysOf(accountId).set(keyId, value);
    }
  }

  /** The day's requests of an account by key id. */
  ofAccount(accountId: string): ReadonlyMap<string, number> {
    return this.#byAccount.get(accountId) ?? new Map();
  }

  /** Counts a hold; inside of the transaction that writes it. */
  add({ accountId, keyJti, admittedAtUs }: UsageEvent): void {
    const day = Number(admittedAtUs / dayUs);
    if (day > this.#day) {
      this.#day = day;
      this.#byAccount = new Map();
    }
    // A clock that was put back counts on: the limits do the same.
    const keys = this.#keysOf(accountId);
    const count = (keys.get(keyJti) ?? 0) + 1;
    keys.set(keyJti, count);
    void this.#table.put([this.#day, accountId, keyJti], count);
  }

  /** Removes what older days have left, at most so many counts; inside of a transaction. */
  trim(countsMax: number): void {
    const end = [this.#day, "", ""];
    for (const key of this.#table.getKeys({ end, limit: countsMax })) void this.#table.remove(key);
  }

  #keysOf(accountId: string): Map<string, number> {
    let keys = this.#byAccount.get(accountId);
    if (keys === undefined) {
      keys = new Map();
      this.#byAccount.set(accountId, keys);
    }
    return keys;
  }
}
