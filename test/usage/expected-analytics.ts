/** What analytics must find: added up here event by event, without the warehouse. */
import { expect } from "vitest";
import { tierNames } from "../../src/catalogue/tiers.ts";
import { EventKind, Outcome, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import type {
  Figures,
  FiguresQuestion,
  FiguresRow,
  RequestsQuestion,
  SavingsRow,
  TimeQuestion,
  UsageFilters,
} from "../../src/usage/analytics.ts";
import { toEventIdText, toTierName } from "../../src/usage/event.ts";
import { outcomeName } from "../../src/usage/outcome.ts";

const failed = new Set<Outcome>([
  Outcome.UPSTREAM_ERROR,
  Outcome.UPSTREAM_PARTIAL,
  Outcome.TIMEOUT,
  Outcome.GATEWAY_ABORT,
]);
const complete = new Set<Outcome>([Outcome.OK, Outcome.STREAM_OK]);

/** The value of an event by which it is grouped or filtered. */
const dimensions: Readonly<Record<FiguresQuestion["by"], (event: UsageEvent) => string>> = {
  none: () => "",
  model: ({ servedModel }) => servedModel,
  tier: ({ tier }) => toTierName(tier) ?? "",
  provider: ({ provider }) => provider,
  key: ({ rootKeyJti, keyJti }) => rootKeyJti || keyJti,
  tag: ({ tag }) => tag,
  outcome: ({ outcome }) => outcomeName(outcome) ?? "",
};

/** Checks the rows of figures: sums to the last unit, latencies to one per cent. */
export function expectFigures(
  found: readonly FiguresRow[],
  events: readonly UsageEvent[],
  question: FiguresQuestion,
): void {
  const { startsS, endS, previousS, by, groupsMax, accountId, filters } = question;
  const firstS = previousS ?? startsS[0] ?? endS;
  const counted = selectEvents(events, accountId, filters, firstS * 1_000, endS * 1_000);
  const isPrevious = ({ admittedAtUs }: UsageEvent) =>
    Number(admittedAtUs) < (startsS[0] ?? 0) * 1e6;
  const ranked = [...Map.groupBy(counted, dimensions[by])]
    .map(([group, own]) => ({
      group,
      weight: weigh(
        own.filter((event) => !isPrevious(event)),
        question,
      ),
    }))
    .toSorted((a, b) => Number(b.weight - a.weight) || compareBytes(a.group, b.group))
    .map(({ group }) => group);
  const placeOf = (event: UsageEvent) =>
    Math.min(ranked.indexOf(dimensions[by](event)) + 1, groupsMax + 1);
  const bucketOf = ({ admittedAtUs }: UsageEvent) =>
    startsS.findLast((startS) => startS * 1e6 <= Number(admittedAtUs)) ?? previousS;
  const expected = [false, true].flatMap((previous) => {
    const own = counted.filter((event) => isPrevious(event) === previous);
    const groups = [...Map.groupBy(own, placeOf)].toSorted(([a], [b]) => a - b);
    return [
      ...(own.length > 0 ? [{ place: 0, previous, startS: undefined, own }] : []),
      ...groups.map(([place, of]) => ({ place, previous, startS: undefined, own: of })),
      ...groups.flatMap(([place, of]) =>
        [...Map.groupBy(of, bucketOf)]
          .toSorted(([a = 0], [b = 0]) => a - b)
          .map(([startS, inBucket]) => ({ place, previous, startS, own: inBucket })),
      ),
    ];
  });
  const keyOf = ({ place, previous, startS }: Pick<FiguresRow, "place" | "previous" | "startS">) =>
    `${place} ${previous} ${startS}`;
  const foundByKey = new Map(found.map((row) => [keyOf(row), row]));
  expect([...foundByKey.keys()].toSorted()).toEqual(expected.map(keyOf).toSorted());
  expect(found.length).toBe(expected.length);
  // One comparison for all rows: a thousand questions have a million of them.
  const mistakes = expected.flatMap(({ own, ...row }) => {
    const { group, figures } = foundByKey.get(keyOf(row)) ?? { group: "", figures: {} };
    const isNamed = row.place > 0 && row.place <= groupsMax;
    const wrongName = isNamed && group !== ranked[row.place - 1] ? [`the name ${group}`] : [];
    return [...wrongName, ...wrongSums(figures, addUp(own)), ...wrongQuantiles(figures, own)].map(
      (what) => `${keyOf(row)}: ${what}`,
    );
  });
  expect(mistakes).toEqual([]);
}

function wrongSums(figures: Figures, sums: ReturnType<typeof addUp>): string[] {
  const entries = new Map<string, unknown>(Object.entries(figures));
  return Object.entries(sums).flatMap(([name, value]) =>
    entries.get(name) === value ? [] : [`${name} is ${entries.get(name)}, not ${value}`],
  );
}

/** Ids of the log, newest first. */
export function expectedLog(events: readonly UsageEvent[], question: RequestsQuestion): string[] {
  const { accountId, filters, fromMs, toMs } = question;
  return selectEvents(events, accountId, filters, fromMs, toMs)
    .map(({ admittedAtUs, eventId }) => ({ admittedAtUs, id: toEventIdText(eventId) }))
    .toSorted((a, b) => Number(b.admittedAtUs - a.admittedAtUs) || compareBytes(b.id, a.id))
    .map(({ id }) => id);
}

/** What was saved, with numbers that are no sums to nine places. */
export function expectedSavings(
  events: readonly UsageEvent[],
  { accountId, fromMs, toMs }: TimeQuestion,
): unknown[] {
  const none = { model: [], tier: [], provider: [], key: [], tag: [], outcome: [] };
  const answers = selectEvents(events, accountId, none, fromMs, toMs).filter(
    ({ kind, outcome, decision }) =>
      kind === EventKind.REQUEST && complete.has(outcome) && decision !== undefined,
  );
  const byBaseline = [...Map.groupBy(answers, ({ baselineModel }) => baselineModel)].toSorted(
    ([a, own], [b, others]) => others.length - own.length || compareBytes(a, b),
  );
  // An answer to nothing at all has a row for all together too.
  return [
    toSavings(true, "", answers),
    ...byBaseline.map(([baseline, own]) => toSavings(false, baseline, own)),
  ];
}

function toSavings(all: boolean, baselineModel: string, answers: readonly UsageEvent[]): unknown {
  const chances = answers.map(({ tier, decision }) => {
    const at = tierNames.findIndex((name) => name === (toTierName(tier) ?? ""));
    return (decision?.chancesPpm[at] ?? 0) / 1e6;
  });
  const cost = sum(answers, ({ providerCostNanousd }) => providerCostNanousd);
  const baseline = sum(answers, ({ baselineCostNanousd }) => baselineCostNanousd);
  const quality = chances.reduce((total, chance) => total + chance, 0) / chances.length;
  const variance = chances.reduce((total, chance) => total + chance * (1 - chance), 0);
  const margin = (1.96 * Math.sqrt(variance)) / chances.length;
  const near = (value: number) => expect.closeTo(value, 9);
  const savings: Partial<SavingsRow["savings"]> = {
    baselineModel,
    answers: BigInt(answers.length),
    providerCostNanousd: cost,
    baselineCostNanousd: baseline,
    savedPercent: near(baseline === 0n ? 0 : 100 * (1 - Number(cost) / Number(baseline))),
    ...(answers.length > 0 && {
      quality: near(quality),
      qualityLow: near(Math.max(0, quality - margin)),
      qualityHigh: near(Math.min(1, quality + margin)),
      strongestQuality: near(0.75),
    }),
  };
  return { all, savings };
}

function selectEvents(
  events: readonly UsageEvent[],
  accountId: string,
  filters: UsageFilters,
  fromMs: number,
  toMs: number,
): UsageEvent[] {
  const names = ["model", "tier", "provider", "key", "tag", "outcome"] as const;
  return events.filter((event) => {
    const atMs = Number(event.admittedAtUs) / 1_000;
    if (event.accountId !== accountId || event.kind === EventKind.THRESHOLD) return false;
    if (atMs < fromMs || atMs >= toMs) return false;
    return names.every((name) => {
      return filters[name].length === 0 || filters[name].includes(dimensions[name](event));
    });
  });
}

function weigh(events: readonly UsageEvent[], { order }: FiguresQuestion): bigint {
  const sums = addUp(events);
  if (order === "requests") return sums.requests + sums.refused;
  if (order === "errors") return sums.errors;
  if (order === "tokens") return sums.promptTokens + sums.completionTokens;
  return order === "credits" ? sums.creditsMicro : sums.providerCostNanousd;
}

function addUp(events: readonly UsageEvent[]) {
  const requests = events.filter(({ kind }) => kind === EventKind.REQUEST);
  const refused = events.filter(({ kind }) => kind === EventKind.REJECTED);
  const of = (outcomes: ReadonlySet<Outcome>) =>
    BigInt(requests.filter(({ outcome }) => outcomes.has(outcome)).length);
  return {
    requests: BigInt(requests.length),
    refused: sum(refused, ({ requestCount }) => BigInt(Math.max(1, requestCount))),
    errors: of(failed),
    promptTokens: sum(events, ({ promptTokens }) => promptTokens),
    cachedTokens: sum(events, ({ cachedTokens }) => cachedTokens),
    completionTokens: sum(events, ({ completionTokens }) => completionTokens),
    creditsMicro: sum(events, ({ creditsMicro }) => creditsMicro),
    providerCostNanousd: sum(events, ({ providerCostNanousd }) => providerCostNanousd),
    baselineCostNanousd: sum(events, ({ baselineCostNanousd }) => baselineCostNanousd),
    answers: of(complete),
  };
}

function wrongQuantiles(figures: Figures, events: readonly UsageEvent[]): string[] {
  const answers = events.filter(
    ({ kind, outcome }) => kind === EventKind.REQUEST && complete.has(outcome),
  );
  const ttft = answers.map(({ ttftMs }) => ttftMs).filter((ms) => ms > 0);
  const duration = answers.map(({ finishedAtUs, admittedAtUs }) =>
    Math.floor(Number(finishedAtUs - admittedAtUs) / 1_000),
  );
  const quantiles = [
    { name: "ttftP50Ms", of: ttft, share: 0.5 },
    { name: "ttftP99Ms", of: ttft, share: 0.99 },
    { name: "durationP50Ms", of: duration, share: 0.5 },
    { name: "durationP99Ms", of: duration, share: 0.99 },
  ] as const;
  return quantiles.flatMap(({ name, of, share }) => {
    const found = figures[name];
    return isQuantile(found, of, share) ? [] : [`${name} is ${found} of ${of}`];
  });
}

/** To one per cent; a quantile between two values may be either of them. */
function isQuantile(found: number | undefined, of: readonly number[], share: number): boolean {
  if (found === undefined || of.length === 0) return found === undefined && of.length === 0;
  const sorted = of.toSorted((a, b) => a - b);
  const rank = share * (sorted.length - 1);
  const [low = 0, high = 0] = [sorted[Math.floor(rank)], sorted[Math.ceil(rank)]];
  return found >= low * 0.9899 && found <= high * 1.0101;
}

function sum(events: readonly UsageEvent[], of: (event: UsageEvent) => bigint): bigint {
  return events.reduce((total, event) => total + of(event), 0n);
}

function compareBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
