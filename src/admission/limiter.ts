// The limits of one account and its keys: looks at all windows, then takes all or none.
import type {
  AdmitRequest,
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
export type Load = Pick<AdmitRequest, "keyId" | "limits" | "keyLimits" | "tokens">;

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
  readonly reason: WindowName | "too-large";
  readonly scope: "account" | "key";
  /** Until it does; undefined if it never will. */
  readonly retryAfterMs: number | undefined;
};

const limitNames = {
  "requests-minute": "requestsPerMinute",
  "requests-day": "requestsPerDay",
  "tokens-minute": "tokensPerMinute",
} as const satisfies Record<WindowName, keyof Limits>;

const windowNames = ["requests-minute", "requests-day", "tokens-minute"] as const;

/** The limiter of one account. */
export class Limiter {
  readonly #days: Days;
  readonly #account: Windows;
  /** Windows of the keys that have limits of their own. */
  readonly #keys = new Map<string, Windows>();

  constructor(accountId: string, days: Days) {
    this.#days = days;
    this.#account = new Windows(accountId, days.accounts);
  }

  /** What refuses the request, of several the one that does so longest; undefined if it fits. */
  firstFull(now: Instant, load: Load): Full | undefined {
    const { limits, keyLimits, tokens } = load;
    if (tokens > limits.tokensPerMinute) return tooLarge("account");
    if (tokens > (keyLimits?.tokensPerMinute ?? tokens)) return tooLarge("key");
    const full = longestWait("account", this.#account, now, limits, tokens);
    const windows = this.#keyWindows(load);
    if (windows === undefined || keyLimits === undefined) return full;
    const keyFull = longestWait("key", windows, now, keyLimits, tokens);
    return (keyFull?.retryAfterMs ?? 0) > (full?.retryAfterMs ?? 0) ? keyFull : full;
  }

  /** Takes the places of one request, and gives what must be kept to correct them. */
  take(now: Instant, load: Load): Taken {
    takeOf(this.#account, now, load.limits, load.tokens);
    const ofKey = this.#keyWindows(load);
    if (ofKey && load.keyLimits) takeOf(ofKey, now, load.keyLimits, load.tokens);
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

  /** Each window's state; the key's where that has less left. */
  snapshot(now: Instant, load: Load): RateSnapshot {
    return {
      "requests-minute": this.#narrower("requests-minute", now, load),
      "requests-day": this.#narrower("requests-day", now, load),
      "tokens-minute": this.#narrower("tokens-minute", now, load),
    };
  }

  #narrower(name: WindowName, now: Instant, load: Load): WindowState {
    const limitName = limitNames[name];
    const ofAccount = this.#account.state(name, now, load.limits[limitName]);
    const keyLimit = load.keyLimits?.[limitName];
    if (keyLimit === undefined) return ofAccount;
    const ofKey = this.#keyWindows(load)?.state(name, now, keyLimit);
    return ofKey !== undefined && ofKey.remaining < ofAccount.remaining ? ofKey : ofAccount;
  }

  #keyWindows(load: Load): Windows | undefined {
    return load.keyLimits === undefined ? undefined : this.#windowsOf(load.keyId);
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
