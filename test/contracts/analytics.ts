/** What analytics must find in every warehouse: run it with a `home` of the adapter. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tierNames } from "../../src/catalogue/tiers.ts";
import { EventKind, Outcome, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import type {
  AnalyticsWarehouse,
  FiguresQuestion,
  LogPlace,
  RequestsQuestion,
} from "../../src/usage/analytics.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import { openTimeZone, startOf, toBuckets } from "../../src/usage/time-buckets.ts";
import type { Warehouse } from "../../src/usage/warehouse.ts";
import { expectedLog, expectedSavings, expectFigures } from "../usage/expected-analytics.ts";
import { placeEvents, sampleDecision, sampleEvent } from "../usage/sample-events.ts";
import { accountIds, createUsage, values } from "../usage/sample-usage.ts";

type Asked = Warehouse & { readonly analytics: AnalyticsWarehouse };

/** Where a warehouse of an adapter lives, and how many random questions it is asked. */
export type AnalyticsHome<Opened extends Asked> = {
  readonly questions: number;
  open(): Promise<Opened>;
  /** Done when most of the usage is there. Default: nothing. */
  prepare?(warehouse: Opened): Promise<void>;
  remove(): Promise<void>;
};

const everything = { model: [], tier: [], provider: [], key: [], tag: [], outcome: [] };
const fromMs = Date.UTC(2026, 1, 1);
const toMs = Date.UTC(2026, 5, 1);

/** Half a minute on two cores of their own. */
const slowMachineMs = 300_000;

/** Some values that occur, one that does not, or none. */
const filterOf = (known: readonly string[]) =>
  fc.oneof(
    { weight: 4, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.subarray([...known, "nobody's"], { minLength: 1 }) },
  );

const filtersOf = fc.record({
  model: filterOf(values.model),
  tier: filterOf(["", ...tierNames]),
  provider: filterOf(values.provider),
  key: filterOf(values.key),
  tag: filterOf(values.tag),
  outcome: filterOf(["ok", "stream_ok", "upstream_error", "rejected_429", "timeout"]),
});

const spanOf = fc
  .tuple(fc.integer({ min: fromMs, max: toMs }), fc.integer({ min: 1, max: 15 * 86_400_000 }))
  .map(([startMs, lengthMs]) => ({ fromMs: startMs, toMs: startMs + lengthMs }));

const zones = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"];

const figuresQuestion: fc.Arbitrary<FiguresQuestion> = fc
  .record({
    accountId: fc.constantFrom(...accountIds),
    filters: filtersOf,
    by: fc.constantFrom("none", "model", "tier", "provider", "key", "tag", "outcome"),
    order: fc.constantFrom("requests", "errors", "tokens", "credits", "provider_cost"),
    groupsMax: fc.integer({ min: 1, max: 6 }),
    compare: fc.boolean(),
    zone: fc.constantFrom(...zones).map(openTimeZone),
    granularity: fc.constantFrom("hour", "day", "month"),
    span: spanOf,
  })
  .map(({ compare, zone, granularity, span, ...question }) => {
    const { startsMs, endMs } = toBuckets(granularity, span, zone, 1_000);
    const previousMs = startOf(granularity, span.fromMs, zone, -startsMs.length);
    return {
      ...question,
      previousS: compare ? previousMs / 1_000 : undefined,
      startsS: startsMs.map((atMs) => atMs / 1_000),
      endS: endMs / 1_000,
    };
  });

const logQuestion: fc.Arbitrary<RequestsQuestion> = fc
  .record({
    accountId: fc.constantFrom(...accountIds),
    filters: filtersOf,
    limit: fc.integer({ min: 25, max: 60 }),
    span: spanOf,
  })
  .map(({ span, ...question }) => ({ ...question, ...span, after: undefined }));

/** The suite. */
export function describeAnalytics<Opened extends Asked>(
  name: string,
  createHome: () => Promise<AnalyticsHome<Opened>>,
): void {
  describe(`analytics in ${name}`, () => {
    let home: AnalyticsHome<Opened>;
    let warehouse: Opened;
    let offset = 0;
    const { records, events } = createUsage();

    beforeAll(async () => {
      home = await createHome();
      warehouse = await home.open();
      const late = records.length - 100;
      for (let at = 0; at < late; at += 500)
        await insert(records.slice(at, Math.min(at + 500, late)));
      await home.prepare?.(warehouse);
      await insert(records.slice(late));
    }, slowMachineMs);
    afterAll(async () => {
      await warehouse.close();
      await home.remove();
    });

    async function insert(inserted: readonly UsageEvent[]): Promise<void> {
      const placed = placeEvents(inserted, offset);
      offset += inserted.length;
      await warehouse.insert({ logName: "usage/0", logEpoch: 1, events: placed });
    }

    const times = (share: number) => ({ numRuns: Math.ceil(home.questions * share) });

    it("adds up what counts, for random questions, as a sum by hand does", async () => {
      const property = fc.asyncProperty(figuresQuestion, async (question) => {
        expectFigures(await warehouse.analytics.figures(question), events, question);
      });
      await fc.assert(property, times(0.8));
    }, slowMachineMs);

    it("pages through the log, newest first, so that each request is seen once", async () => {
      const property = fc.asyncProperty(logQuestion, async (question) => {
        const seen: string[] = [];
        for (let after: LogPlace | undefined; ; ) {
          const page = await warehouse.analytics.requests({ ...question, after });
          seen.push(...page.map(({ request }) => request.id));
          after = page.at(-1)?.place;
          if (page.length < question.limit || seen.length > 100) break;
        }
        expect(seen).toEqual(expectedLog(events, question).slice(0, seen.length));
      });
      await fc.assert(property, times(0.1));
    }, slowMachineMs);

    it("says what was saved, as a sum by hand does", async () => {
      const asked = fc.record({ accountId: fc.constantFrom(...accountIds), span: spanOf });
      const property = fc.asyncProperty(asked, async ({ accountId, span }) => {
        const found = await warehouse.analytics.savings({ accountId, ...span });
        expect(found).toEqual(expectedSavings(events, { accountId, ...span }));
      });
      await fc.assert(property, times(0.1));
    }, slowMachineMs);

    it("finds one request whole, by its own id and by its event's", async () => {
      const end = { decision: sampleDecision, baselineModel: "o3" };
      const event = sampleEvent({ accountId: "one", requestId: "my/request?1", tag: "t", end });
      await insert([event, sampleEvent({ accountId: "two", requestId: "my/request?1" })]);
      const id = toEventIdText(event.eventId);
      const found = await warehouse.analytics.request("one", "my/request?1");
      expect(found).toEqual({
        place: { admittedAtUs: event.admittedAtUs, eventId: id },
        request: {
          ...{ id, requestId: "my/request?1", kind: "request", outcome: "stream_ok", tag: "t" },
          ...{ durationMs: 850n, ttftMs: 230, httpStatus: 200, stream: true },
          ...{ keyId: event.keyJti, rootKeyId: event.keyJti, requestedModel: "auto" },
          ...{ model: "deepseek-chat", tier: "budget", provider: "demo", baselineModel: "o3" },
          ...{ promptTokens: 120n, cachedTokens: 20n, completionTokens: 30n, reasoningTokens: 10n },
          ...{ tokensEstimated: false, creditsMicro: 1_000_000n, attempts: 2, requestCount: 1 },
          ...{ providerCostNanousd: 47_000n, baselineCostNanousd: 4_050_000n },
        },
        attempts: [
          {
            ...{ model: "gemini-2.5-flash", provider: "gemini", status: 503 },
            ...{ startMs: 0n, latencyMs: 41, errorClass: "http_5xx" },
          },
          {
            ...{ model: "deepseek-chat", provider: "demo", status: 200 },
            ...{ startMs: 41n, latencyMs: 800, errorClass: "" },
          },
        ],
        route: {
          ...{ explanation: "auto: budget", weights: "0123456789ab", quality: 0.8 },
          ...{ lambda: 1.122018, need: -0.719, outputTokens: 300, feasible: 2, propensity: 1 },
          chances: { free: 0.3, budget: 0.5, mid: 0.7, premium: 0.7, ultra: 0.75 },
          ranked: [
            { model: "deepseek-chat", tier: "budget", worth: 0.49, costNanousd: 47_000n },
            { model: "o3", tier: "ultra", worth: -0.3, costNanousd: 2_400_000n },
          ],
        },
      });
      expect(await warehouse.analytics.request("one", id)).toEqual(found);
      expect(await warehouse.analytics.request("three", id)).toBeUndefined();
      expect(await warehouse.analytics.request("three", "my/request?1")).toBeUndefined();
    });

    it.each([
      "o'brien",
      "a\\'",
      "'; DROP TABLE optamil.usage_events; --",
      "') OR 1 = 1 --",
      "{account:String}",
      "a','b",
      "a\\','b",
      "]) OR (1 = 1",
      'say "hi"\t\n',
      "\\N",
      "NULL",
      "null\u0000byte",
      "😀 𝒳",
    ])("takes the name %j as nothing but a name", async (hostile) => {
      const event = sampleEvent({ accountId: hostile, tag: hostile });
      await insert([{ ...event, servedModel: hostile, provider: hostile, requestId: hostile }]);
      const filters = { ...everything, tag: [hostile], model: [hostile, "other"] };
      const startsS = [fromMs / 1_000];
      const question = { accountId: hostile, filters, by: "tag", order: "credits" } as const;
      const bounds = { groupsMax: 1, previousS: undefined, startsS, endS: toMs / 1_000 };
      const found = await warehouse.analytics.figures({ ...question, ...bounds });
      expect(found.map(({ place, group, figures }) => [place, group, figures.requests])).toEqual([
        [0, "", 1n],
        [1, hostile, 1n],
        [1, hostile, 1n],
      ]);
      const log = { accountId: hostile, fromMs, toMs, filters, limit: 10, after: undefined };
      const [one, ...more] = await warehouse.analytics.requests(log);
      expect(one?.request).toMatchObject({ tag: hostile, model: hostile, requestId: hostile });
      expect(more).toEqual([]);
      const details = await warehouse.analytics.request(hostile, hostile);
      expect(details?.request.provider).toBe(hostile);
    });

    it("is exact where doubles are not", async () => {
      const creditsMicro = 2n ** 53n + 1n;
      await insert([sampleEvent({ accountId: "exact", creditsMicro })]);
      const [all] = await warehouse.analytics.figures({
        ...{ accountId: "exact", filters: everything, by: "none", order: "credits", groupsMax: 1 },
        ...{ previousS: undefined, startsS: [fromMs / 1_000], endS: toMs / 1_000 },
      });
      expect(all?.figures.creditsMicro).toBe(creditsMicro);
    });

    it("knows events of all kinds that the sums by hand are of", () => {
      const kinds = new Set(events.map(({ kind }) => kind));
      expect(kinds).toEqual(
        new Set([EventKind.REQUEST, EventKind.REJECTED, EventKind.ADJUSTMENT, EventKind.THRESHOLD]),
      );
      expect(new Set(events.map(({ outcome }) => outcome)).size).toBeGreaterThan(5);
      expect(events.some(({ outcome }) => outcome === Outcome.REJECTED_429)).toBe(true);
      expect(records.length).toBeGreaterThan(events.length);
    });
  });
}
