// Counts and durations of a process: kept as plain numbers, read by whoever collects them.

/** What an instrument measures, in OpenTelemetry's words; collectors of other kinds derive their names. */
export type Instrument = {
  /** Dotted name, such as "gen_ai.server.request.duration". */
  readonly name: string;
  /** UCUM: "s", "By", "1", or a thing in braces, such as "{request}". */
  readonly unit: string;
  /** One sentence for people. */
  readonly description: string;
  /** Names of the attributes, whose values come in the same order. Default: none. */
  readonly attributes?: readonly string[] | undefined;
};

/** The values of the attributes; each must be one of few, known beforehand: never an id of a key or account. */
export type Values = readonly string[];

/** An observation that can be looked up: the trace of which it is one. */
export type Exemplar = {
  readonly traceId: string;
  readonly spanId: string;
  readonly value: number;
};

/** Observations by size. */
export type Distribution = {
  readonly count: number;
  readonly sum: number;
  /** Observations in each bucket alone, the one above the last bound included. */
  readonly buckets: readonly number[];
  /** The last observation of a bucket that had a trace; a hole where none had. */
  readonly exemplars: readonly (Exemplar | undefined)[];
};

/** What was measured so far under some attributes. */
export type Series = { readonly values: Values } & (
  | { readonly value: number }
  | { readonly distribution: Distribution }
);

/** One instrument with its series. */
export type Family = Instrument & {
  readonly kind: "counter" | "gauge" | "histogram";
  /** Upper bounds of a histogram's buckets, inclusive, ascending; empty for the other kinds. */
  readonly bounds: readonly number[];
  readonly series: readonly Series[];
};

/** Counts upwards. */
export interface Counter {
  /** @param amount Default 1; at least 0. */
  add(values: Values, amount?: number): void;
  /** The count under these values, for who adds to it often: it costs no look-up. */
  at(values: Values): BoundCounter;
}

/** A counter under some values. */
export interface BoundCounter {
  add(amount?: number): void;
}

/** Sorts observations into buckets. */
export interface Histogram {
  /** @param trace The exported trace that it belongs to. Default: none. */
  record(values: Values, value: number, trace?: ExemplarTrace): void;
  /** The distribution under these values, for who records often: it costs no look-up. */
  at(values: Values): BoundHistogram;
}

/** A histogram under some values. */
export interface BoundHistogram {
  record(value: number, trace?: ExemplarTrace): void;
}

/** What an exemplar is looked up by. */
export type ExemplarTrace = Omit<Exemplar, "value">;

/** What a gauge or a counter that others keep shows now. */
export type Reading = { readonly values?: Values | undefined; readonly value: number };

/** Who can be asked for all that was measured. */
export interface MetricsReader {
  collect(): readonly Family[] | Promise<readonly Family[]>;
}

/**
 * What several processes measured, as one list: each series says of which it is by the attribute `worker`, which is
 * empty for who is none.
 */
export function mergeWorkers(parts: ReadonlyMap<string, readonly Family[]>): readonly Family[] {
  const merged = new Map<string, Family>();
  for (const [worker, families] of parts) {
    for (const family of families) {
      const series = family.series.map((one) => ({ ...one, values: [...one.values, worker] }));
      const known = merged.get(family.name);
      const attributes = known?.attributes ?? [...(family.attributes ?? []), "worker"];
      const all = [...(known?.series ?? []), ...series];
      merged.set(family.name, { ...family, attributes, series: all });
    }
  }
  return [...merged.values()];
}

/** Series of one instrument. What comes beyond has "other" for each attribute, so that memory stays bounded. */
const seriesMax = 2_000;
const separator = "\u0000";

/** The instruments of a process. An observation costs one look-up and allocates nothing but its key. */
export class Metrics {
  readonly #families: (() => Family)[] = [];

  /** A count that only grows. */
  counter(instrument: Instrument): Counter {
    const table = new SeriesTable(instrument, (values) => new Tally(values));
    this.#families.push(() => ({
      ...instrument,
      kind: "counter",
      bounds: [],
      series: table.all(),
    }));
    return {
      add: (values, amount) => table.of(values).add(amount),
      at: (values) => table.of(values),
    };
  }

  /** A distribution over buckets with the upper bounds. */
  histogram(instrument: Instrument, bounds: readonly number[]): Histogram {
    const table = new SeriesTable(instrument, (values) => new Spread(values, bounds));
    this.#families.push(() => ({ ...instrument, kind: "histogram", bounds, series: table.all() }));
    return {
      record: (values, value, trace) => table.of(values).record(value, trace),
      at: (values) => table.of(values),
    };
  }

  /** A value that is asked for when somebody collects; `read` gives nothing where it is not known. */
  gauge(instrument: Instrument, read: () => readonly Reading[]): void {
    this.#observed(instrument, "gauge", read);
  }

  /** A count that is kept elsewhere. */
  observedCounter(instrument: Instrument, read: () => readonly Reading[]): void {
    this.#observed(instrument, "counter", read);
  }

  /** Everything as it is now. */
  collect(): readonly Family[] {
    return this.#families.map((family) => family());
  }

  #observed(
    instrument: Instrument,
    kind: "counter" | "gauge",
    read: () => readonly Reading[],
  ): void {
    this.#families.push(() => ({
      ...instrument,
      kind,
      bounds: [],
      series: read().map(({ values = [], value }) => ({ values, value })),
    }));
  }
}

/** One count. */
class Tally implements BoundCounter {
  readonly values: Values;
  value = 0;

  constructor(values: Values) {
    this.values = values;
  }

  add(amount = 1): void {
    this.value += amount;
  }
}

/** One distribution. */
class Spread implements BoundHistogram {
  readonly values: Values;
  readonly #bounds: readonly number[];
  readonly distribution: {
    count: number;
    sum: number;
    readonly buckets: number[];
    readonly exemplars: (Exemplar | undefined)[];
  };

  constructor(values: Values, bounds: readonly number[]) {
    this.values = values;
    this.#bounds = bounds;
    const buckets = new Array<number>(bounds.length + 1).fill(0);
    this.distribution = { count: 0, sum: 0, buckets, exemplars: [] };
  }

  record(value: number, trace: ExemplarTrace | undefined): void {
    const { distribution } = this;
    distribution.count += 1;
    distribution.sum += value;
    const at = bucketOf(this.#bounds, value);
    distribution.buckets[at] = (distribution.buckets[at] ?? 0) + 1;
    if (trace === undefined) return;
    const { traceId, spanId } = trace;
    distribution.exemplars[at] = { traceId, spanId, value };
  }
}

class SeriesTable<One> {
  readonly #series = new Map<string, One>();
  readonly #create: (values: Values) => One;
  readonly #others: Values;

  constructor({ attributes = [] }: Instrument, create: (values: Values) => One) {
    this.#create = create;
    this.#others = attributes.map(() => "other");
  }

  of(values: Values): One {
    const known = this.#series.get(values.join(separator));
    return known ?? this.#add(this.#series.size < seriesMax ? values : this.#others);
  }

  all(): One[] {
    return [...this.#series.values()];
  }

  #add(values: Values): One {
    const key = values.join(separator);
    const one = this.#series.get(key) ?? this.#create(values);
    this.#series.set(key, one);
    return one;
  }
}

function bucketOf(bounds: readonly number[], value: number): number {
  let at = 0;
  // Few bounds, and most values are small: a walk is as fast as a search.
  while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1;
  return at;
}
