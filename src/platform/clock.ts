// Time as a parameter, so that tests and the simulation decide what time it is.

/** A source of time. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump. */
  wallMs(): number;
  /** Milliseconds from an arbitrary point; never goes back. */
  monotonicMs(): number;
}

/** The machine's time. */
export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
