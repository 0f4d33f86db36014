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
}

/** Sorts observations into buckets. */
export interface Histogram {
  /** @param trace The exported trace that it belongs to. Default: none. */
  record(values: Values, value: number, trace?: Omit<Exemplar, "value">): void;
}

/** What a gauge or a counter that others keep shows now. */
export type Reading = { readonly values?: Values | undefined; readonly value: number };

/** Series of one instrument. What comes beyond has "other" for each attribute, so that memory stays bounded. */
const seriesMax = 2_000;
const separator = "\u0000";

/** The instruments of a process. An observation costs one look-up and allocates nothing but its key. */
export class Metrics {
  readonly #families: (() => Family)[] = [];

  /** A count that only grows. */
  counter(instrument: Instrument): Counter {
    const table = new SeriesTable(instrument, () => ({ value: 0 }));
    this.#families.push(() => ({
      ...instrument,
      kind: "counter",
      bounds: [],
      series: table.all(),
    }));
    return {
      add: (values, amount = 1) => {
        table.of(values).value += amount;
      },
    };
  }

  /** A distribution over buckets with the upper bounds. */
  histogram(instrument: Instrument, bounds: readonly number[]): Histogram {
    const table = new SeriesTable(instrument, () => ({
      distribution: {
        ...{ count: 0, sum: 0, buckets: new Array<number>(bounds.length + 1).fill(0) },
        exemplars: [] as (Exemplar | undefined)[],
      },
    }));
    this.#families.push(() => ({ ...instrument, kind: "histogram", bounds, series: table.all() }));
    return {
      record: (values, value, trace) => {
        const { distribution } = table.of(values);
        distribution.count += 1;
        distribution.sum += value;
        const at = bucketOf(bounds, value);
        distribution.buckets[at] = (distribution.buckets[at] ?? 0) + 1;
        if (trace === undefined) return;
        const { traceId, spanId } = trace;
        distribution.exemplars[at] = { traceId, spanId, value };
      },
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

class SeriesTable<State extends object> {
  readonly #series = new Map<string, State & { readonly values: Values }>();
  readonly #create: () => State;
  readonly #others: Values;

  constructor({ attributes = [] }: Instrument, create: () => State) {
    this.#create = create;
    this.#others = attributes.map(() => "other");
  }

  of(values: Values): State {
    const known = this.#series.get(values.join(separator));
    return known ?? this.#add(this.#series.size < seriesMax ? values : this.#others);
  }

  all(): (State & { readonly values: Values })[] {
    return [...this.#series.values()];
  }

  #add(values: Values): State {
    const key = values.join(separator);
    const state = this.#series.get(key) ?? { ...this.#create(), values };
    this.#series.set(key, state);
    return state;
  }
}

function bucketOf(bounds: readonly number[], value: number): number {
  let at = 0;
  // Few bounds, and most values are small: a walk is as fast as a search.
  for (const bound of bounds) {
    if (value <= bound) break;
    at += 1;
  }
  return at;
}
