// The rate headers of every authenticated answer: the seed's triple, the window's name and OpenAI's six.
import type { WindowState } from "../admission/counters.ts";
import type { RateView } from "../chat/rate.ts";
import type { Caller } from "../keys/verify.ts";
import type { SetHeader } from "./headers.ts";

/** The counters as the doors see them. */
export type Rates = {
  /** Counts a call that is no chat request; throws `rate_limit_exceeded`. */
  readonly admitRead: (caller: Caller, showRate: (view: RateView) => void) => Promise<void>;
  /** Where a caller stands who was refused before anything was counted. */
  readonly current: (caller: Caller) => Promise<RateView>;
};

/**
 * Sets the headers. The triple shows the requests of a minute, on a refusal the window that refused; Reset is
 * in Unix seconds. Source: the seed; OpenAI's documentation of rate limits for the other six.
 */
export function setRateHeaders({ rate, refusedBy }: RateView, nowMs: number, set: SetHeader): void {
  const name = refusedBy ?? "requests-minute";
  const shown = rate[name];
  set("x-ratelimit-limit", String(shown.limit));
  set("x-ratelimit-remaining", String(shown.remaining));
  set("x-ratelimit-reset", String(Math.ceil((nowMs + shown.resetAfterMs) / 1_000)));
  set("x-ratelimit-window", name);
  setSix("requests", rate["requests-minute"], set);
  setSix("tokens", rate["tokens-minute"], set);
}

function setSix(
  what: string,
  { limit, remaining, resetAfterMs }: WindowState,
  set: SetHeader,
): void {
  set(`x-ratelimit-limit-${what}`, String(limit));
  set(`x-ratelimit-remaining-${what}`, String(remaining));
  set(`x-ratelimit-reset-${what}`, toDuration(resetAfterMs));
}

/** A duration as OpenAI writes it: 17ms, 1.5s, 6m0s. */
function toDuration(durationMs: number): string {
  const wholeMs = Math.ceil(durationMs);
  if (wholeMs < 1_000) return `${wholeMs}ms`;
  const minutes = Math.floor(wholeMs / 60_000);
  const seconds = (wholeMs % 60_000) / 1_000;
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}
