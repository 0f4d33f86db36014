// The limits of one account and its keys: looks at all windows, then takes all or none.
import type {
  AdmitRequest,
  KeyPart,
  Limits,
  RateSnapshot,
  RecentTraffic,
  WindowName,
  WindowState,
} from "./counters.ts";
import type { DayCounts } from "./day-counts.ts";
import { type Instant, Windows } from "./windows.ts";

/** The counts of the day, which outlive an account's stay in memory. */
export type Days = { readonly accounts: DayCounts; readonly keys: DayCounts };

/** What an admission needs to know of a request. */
export type Load = Pick<
  AdmitRequest,
  "keyId" | "limits" | "keyLimits" | "keyRunningMax" | "parts" | "tokens"
>;

/** What a request took of the windows. */
export type Taken = {
  /** On the monotonic clock. */
  readonly atMs: number;
  readonly tokens: number;
  /** The windows of its key, if that had limits of its own. */
  readonly ofKey: Windows | undefined;
};

/** Why a request does not fit. */
export type Full = {
  readonly reason: WindowName | "running" | "too-large";
  readonly scope: "account" | "key";
  /** Id of the part of the key whose window is full. */
  readonly part?: string | undefined;
  /** Until it does; undefined if it never will. */
  readonly retryAfterMs: number | undefined;
};

const limitNames = {
  "requests-minute": "requestsPerMinute",
  "requests-day": "requestsPerDay",
  "tokens-minute": "tokensPerMinute",
} as const satisfies Record<WindowName, keyof Limits>;

const windowNames = ["requests-minute", "requests-day", "tokens-minute"] as const;

/** When a key has as many requests running as it may: they end at no time that is known. */
const runningRetryMs = 1_000;

/** The limiter of one account. */
export class Limiter {
  readonly #days: Days;
  readonly #account: Windows;
  /** Windows of the keys that have limits of their own. */
  readonly #keys = new Map<string, Windows>();
  /** Requests that run, by key; keys without any are not in it. */
  readonly #running = new Map<string, number>();

  constructor(accountId: string, days: Days) {
    this.#days = days;
    this.#account = new Windows(accountId, days.accounts);
  }

  /** What refuses the request, of several the one that does so longest; undefined if it fits. */
  firstFull(now: Instant, load: Load): Full | undefined {
    const { limits, keyLimits, tokens } = load;
    if (tokens > limits.tokensPerMinute) return tooLarge("account");
    if (tokens > (keyLimits?.tokensPerMinute ?? tokens)) return tooLarge("key");
    let full = longestWait("account", this.#account, now, limits, tokens);
    for (const narrow of this.#narrowOf(load)) {
      const keyFull = longestWait("key", narrow.windows, now, narrow.limits, tokens);
      if ((keyFull?.retryAfterMs ?? 0) <= (full?.retryAfterMs ?? 0)) continue;
      full = keyFull && { ...keyFull, part: narrow.part };
    }
    return full ?? this.#tooManyRun(load);
  }

  /** Counts a request among those that run. */
  begin(keyId: string): void {
    this.#running.set(keyId, (this.#running.get(keyId) ?? 0) + 1);
  }

  /** Its end. */
  end(keyId: string): void {
    const left = (this.#running.get(keyId) ?? 0) - 1;
    if (left > 0) this.#running.set(keyId, left);
    else this.#running.delete(keyId);
  }

  /** Takes the places of one request, and gives what must be kept to correct them. */
  take(now: Instant, load: Load): Taken {
    takeOf(this.#account, now, load.limits, load.tokens);
    const narrow = this.#narrowOf(load);
    for (const { windows, limits } of narrow) takeOf(windows, now, limits, load.tokens);
    const ofKey = narrow.find(({ part }) => part === undefined)?.windows;
    return { atMs: now.monotonicMs, tokens: load.tokens, ofKey };
  }

  /** Replaces the estimate of a request by what it used. */
  correct(now: Instant, { atMs, tokens, ofKey }: Taken, used: number): void {
    if (used === tokens) return;
    this.#account.correctTokens(now, atMs, used - tokens);
    ofKey?.correctTokens(now, atMs, used - tokens);
  }

  /** Takes over the admissions from before a restart. */
  restore(now: Instant, traffic: RecentTraffic, accountId: string): void {
    const { requests, todayByKey } = traffic;
    for (const { keyId, admittedAtMs, tokens } of requests) {
      // The monotonic clock began anew; the wall's, even if it was set back, can tell the age.
      const stampMs = now.monotonicMs - Math.max(0, now.wallMs - admittedAtMs);
      this.#account.take(stampMs, requests.length, tokens);
      this.#windowsOf(keyId).take(stampMs, requests.length, tokens);
    }
    let today = 0;
    for (const [keyId, count] of todayByKey) {
      this.#days.keys.restore(now.wallMs, keyId, count);
      today += count;
    }
    this.#days.accounts.restore(now.wallMs, accountId, today);
  }

  /** Each window's state; that of the key or of one of its parts where it has less left. */
  snapshot(now: Instant, load: Load): RateSnapshot {
    return {
      "requests-minute": this.#narrower("requests-minute", now, load),
      "requests-day": this.#narrower("requests-day", now, load),
      "tokens-minute": this.#narrower("tokens-minute", now, load),
    };
  }

  #narrower(name: WindowName, now: Instant, load: Load): WindowState {
    const limitName = limitNames[name];
    let narrowest = this.#account.state(name, now, load.limits[limitName]);
    for (const { windows, limits } of this.#narrowOf(load)) {
      const limit = limits[limitName];
      const state = limit === undefined ? undefined : windows.state(name, now, limit);
      if (state !== undefined && state.remaining < narrowest.remaining) narrowest = state;
    }
    return narrowest;
  }

  /** The windows beside the account's that a request has to fit into: its key's, then those of its parts. */
  #narrowOf({ keyId, keyLimits, parts }: Load): readonly Narrow[] {
    if (keyLimits === undefined && parts === undefined) return noNarrow;
    const ofKey = keyLimits && { windows: this.#windowsOf(keyId), limits: keyLimits };
    const ofParts = (parts ?? []).map(({ id, limits }: KeyPart) => ({
      windows: this.#windowsOf(`${keyId} ${id}`),
      limits,
      part: id,
    }));
    return ofKey === undefined ? ofParts : [ofKey, ...ofParts];
  }

  #tooManyRun({ keyId, keyRunningMax }: Load): Full | undefined {
    if (keyRunningMax === undefined || (this.#running.get(keyId) ?? 0) < keyRunningMax)
      return undefined;
    return { reason: "running", scope: "key", retryAfterMs: runningRetryMs };
  }

  #windowsOf(keyId: string): Windows {
    let windows = this.#keys.get(keyId);
    if (windows === undefined) {
      windows = new Windows(keyId, this.#days.keys);
      this.#keys.set(keyId, windows);
    }
    return windows;
  }
}

type Narrow = {
  readonly windows: Windows;
  readonly limits: Partial<Limits>;
  readonly part?: string | undefined;
};

const noNarrow: readonly Narrow[] = [];

function takeOf(windows: Windows, now: Instant, limits: Partial<Limits>, tokens: number): void {
  windows.take(now.monotonicMs, limits.requestsPerMinute, tokens);
  windows.takeOfDay(now.wallMs);
}

function tooLarge(scope: Full["scope"]): Full {
  return { reason: "too-large", scope, retryAfterMs: undefined };
}

function longestWait(
  scope: Full["scope"],
  windows: Windows,
  now: Instant,
  limits: Partial<Limits>,
  tokens: number,
): Full | undefined {
  let longestMs = 0;
  let reason: WindowName | undefined;
  for (const name of windowNames) {
    const limit = limits[limitNames[name]];
    const waitMs = limit === undefined ? 0 : windows.waitMs(name, now, limit, tokens);
    if (waitMs <= longestMs) continue;
    longestMs = waitMs;
    reason = name;
  }
  return reason && { reason, scope, retryAfterMs: longestMs };
}
