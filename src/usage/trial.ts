// How a batch on which the consumer dies is cut down to the record that kills it.

/** A batch that is being inserted; it is written down before, so that the next process knows what killed this one. */
export type Trial = {
  /** Offset of its first record. */
  readonly firstOffset: number;
  /** Offset after the batch that was tried first: up to there pieces stay small. */
  readonly untilOffset: number;
  /** Records a piece. */
  readonly events: number;
  /** Processes that died on this piece. */
  readonly deaths: number;
  /** Whether this is a piece of a batch that killed or was refused. */
  readonly cut: boolean;
};

/** How the last process ended: "killed" from outside (SIGKILL, SIGTERM) or "crashed" by itself. */
export type LastExit = "killed" | "crashed";

/** Deaths after which a batch is cut, and a single record given up. */
const deathsMax = 3;
/** Cutting to an eighth finds one record of 10,000 in five cuts, each of which costs a restart. */
const pieces = 8;

/** The first trial of a batch. */
export function beginTrial(firstOffset: number, events: number): Trial {
  return { firstOffset, untilOffset: firstOffset + events, events, deaths: 0, cut: false };
}

/**
 * The trial after a process died on it: cut after three deaths, and from then on after each. Who was killed
 * from outside may have died of anything, so that alone never condemns a record.
 */
export function afterDeath(trial: Trial, lastExit: LastExit): Trial {
  const deaths = trial.deaths + 1;
  if (trial.events === 1) {
    return { ...trial, deaths: lastExit === "killed" ? Math.min(deaths, deathsMax - 1) : deaths };
  }
  return trial.cut || deaths >= deathsMax ? afterRefusal(trial) : { ...trial, deaths };
}

/** The trial after the warehouse refused the rows: cut at once. */
export function afterRefusal(trial: Trial): Trial {
  return { ...trial, events: Math.max(1, Math.floor(trial.events / pieces)), deaths: 0, cut: true };
}

/** The trial of the next piece; undefined where the batch is through. */
export function afterSuccess(trial: Trial, nextOffset: number): Trial | undefined {
  if (!trial.cut || nextOffset >= trial.untilOffset) return undefined;
  return { ...trial, firstOffset: nextOffset, deaths: 0 };
}

/** Whether the one record of the trial is given up. */
export function isCondemned(trial: Trial): boolean {
  return trial.events === 1 && trial.deaths >= deathsMax;
}
