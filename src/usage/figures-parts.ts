// What a chart's figures are added up from: the rollup that answers it, and the lines of the statement that it needs.
import { type FiguresQuestion, usageDimensions } from "./analytics.ts";
import { type RollupReach, toFirstId, toPieces } from "./rollup-reach.ts";

const secondsPerHour = 3_600;
/** Of a year by hours; more would take longer to name than to add up. */
const piecesMax = 9_000;

/** Which lines of the statement a question needs. */
export function toLines({ by, filters }: FiguresQuestion, isRolled: boolean): ReadonlySet<string> {
  const filtered = usageDimensions.filter((dimension) => filters[dimension].length > 0);
  const grouped = by === "none" ? "none" : "grouped";
  const rolled = isRolled ? ["rolled", ...(filtered.length > 0 ? ["named"] : [])] : [];
  return new Set<string>([grouped, ...filtered, ...rolled]);
}

/**
 * The rollup that answers a question: of hours that are whole as far as there are rollups, and of one dimension at most.
 * Undefined: none does.
 */
export function toRollup(question: FiguresQuestion, reach: RollupReach) {
  const { previousS, startsS, endS, filters, by } = question;
  const { untilHour, hasMore, firstS, afterS } = reach;
  if (untilHour === 0) return undefined;
  const moments = [...(previousS === undefined ? [] : [previousS]), ...startsS, endS];
  // Nothing is rolled up beyond: a question may be of a hundred years, and most are up to now.
  const within = moments.map((atS) => Math.min(Math.max(atS, firstS), afterS));
  if (!within.every((atS) => atS % secondsPerHour === 0)) return undefined;
  const filtered = usageDimensions.filter((dimension) => filters[dimension].length > 0);
  const [dimension = by, ...others] = filtered;
  if (others.length > 0 || (by !== "none" && by !== dimension)) return undefined;
  const { starts, spans } = toPieces(within);
  if (starts.length > piecesMax) return undefined;
  const parameters = {
    dimension,
    names: dimension === "none" ? [] : filters[dimension],
    piece_starts: starts,
    piece_spans: spans,
    until_hour: untilHour,
    first_id: toFirstId(untilHour),
  };
  return { hasMore, parameters };
}
