// Where a caller stands against its limits: types only.
import type { RateSnapshot, WindowName } from "../admission/counters.ts";

/** What the rate headers show. */
export type RateView = {
  readonly rate: RateSnapshot;
  /** The window that refused; undefined if none did. */
  readonly refusedBy: WindowName | undefined;
};
