// Puts sums by group and bucket together: as series, or as a ranking.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GetTopUsageResponseSchema,
  GetUsageSeriesResponseSchema,
} from "../../gen/optamil/v1/analytics_pb.ts";
import type { Figures, FiguresRow } from "../../usage/analytics.ts";

/** How the rows were asked for. */
export type FiguresForm = {
  readonly groupsMax: number;
  /** Whether the time before is told. */
  readonly compare: boolean;
};

/** How series are made. */
export type SeriesForm = FiguresForm & {
  /** Whether there are groups; else everything is one series without a name. */
  readonly grouped: boolean;
  /** The text of a bucket's start, from Unix seconds. */
  readonly nameOf: (startS: number) => string;
};

/** The series of the rows, and all together. */
export function toSeries(
  rows: readonly FiguresRow[],
  { groupsMax, grouped, compare, nameOf }: SeriesForm,
): Pick<MessageInitShape<typeof GetUsageSeriesResponseSchema>, "data" | "total" | "previous"> {
  const groups = groupsOf(rows);
  if (!grouped && groups.length === 0) groups.push({ place: 1, group: "", rows: [] });
  const data = groups.map(({ place, group, rows: own }) => ({
    group: place > groupsMax ? "" : group,
    other: place > groupsMax,
    points: own.flatMap(({ startS, previous, figures }) =>
      startS === undefined || previous ? [] : { start: nameOf(startS), figures },
    ),
    ...sumsOf(own, compare),
  }));
  return { data, ...sumsOf(allOf(rows), compare) };
}

/** The groups of the rows, the others and all together. */
export function toTop(
  rows: readonly FiguresRow[],
  { groupsMax, compare }: FiguresForm,
): Pick<
  MessageInitShape<typeof GetTopUsageResponseSchema>,
  "data" | "other" | "total" | "previous"
> {
  const groups = groupsOf(rows).map(({ place, group, rows: own }) => {
    const { total: figures, ...previous } = sumsOf(own, compare);
    return { place, entry: { group: place > groupsMax ? "" : group, figures, ...previous } };
  });
  const other = groups.find(({ place }) => place > groupsMax)?.entry;
  return {
    data: groups.filter(({ place }) => place <= groupsMax).map(({ entry }) => entry),
    ...(other !== undefined && { other }),
    ...sumsOf(allOf(rows), compare),
  };
}

function groupsOf(rows: readonly FiguresRow[]) {
  const byPlace = Map.groupBy(
    rows.filter(({ place }) => place > 0),
    ({ place }) => place,
  );
  const places = [...byPlace].toSorted(([one], [other]) => one - other);
  return places.map(([place, own]) => ({ place, group: own[0]?.group ?? "", rows: own }));
}

function allOf(rows: readonly FiguresRow[]): readonly FiguresRow[] {
  return rows.filter(({ place }) => place === 0);
}

/** The sums over all buckets, and those of the time before. */
function sumsOf(
  rows: readonly FiguresRow[],
  compare: boolean,
): { total: Figures; previous?: Figures } {
  const sum = (of: boolean) =>
    rows.find(({ startS, previous }) => startS === undefined && previous === of)?.figures ?? {};
  return { total: sum(false), ...(compare && { previous: sum(true) }) };
}
