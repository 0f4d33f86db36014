/** What every warehouse must tell of the router's decisions: run it with a `home` of the adapter. */

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Outcome, type UsageEvent } from "../../src/gen/optamil/v1/event_pb.ts";
import { type RequestEnd, toEventIdText } from "../../src/usage/event.ts";
import type { Rating } from "../../src/usage/feedback-event.ts";
import type { QueriedWarehouse, Warehouse } from "../../src/usage/warehouse.ts";
import {
  admittedAtMs,
  placeEvents,
  type Sample,
  sampleDecision,
  sampleEvent,
  sampleFeedback,
  sampleHold,
} from "../usage/sample-events.ts";

type Asked = Warehouse & Pick<QueriedWarehouse, "sql" | "eventOfRequest">;

/** Where a warehouse of an adapter lives: one for the whole suite, whose tests use accounts of their own. */
export type RouterViewsHome = { open(): Promise<Asked>; remove(): Promise<void> };

const [budget, ultra] = sampleDecision.ranked;
const strong = { served: { model: "o3", tier: "ultra", provider: "demo" } } as const;
/** An answer of 850 milliseconds to a prompt of 117 tokens. */
const answered: Partial<RequestEnd> = {
  attempts: [],
  decision: sampleDecision,
  estimatedPromptTokens: 117,
};

/** What operators run to export outcomes. */
const ownOutcomes = readFileSync(
  new URL("../../src/router/training/own-outcomes.sql", import.meta.url),
  "utf8",
);

/** The suite. */
export function describeRouterViews(
  name: string,
  createHome: () => Promise<RouterViewsHome>,
): void {
  describe(`the router's decisions in ${name}`, () => {
    let home: RouterViewsHome;
    let warehouse: Asked;
    let offset = 0;

    beforeAll(async () => {
      home = await createHome();
      warehouse = await home.open();
    });
    afterAll(async () => {
      await warehouse.close();
      await home.remove();
    });

    async function insert(events: readonly UsageEvent[]): Promise<void> {
      const placed = placeEvents(events, offset);
      offset += events.length;
      await warehouse.insert({ logName: "usage/0", logEpoch: 1, events: placed });
    }

    async function ask(statement: string): Promise<Record<string, unknown>[]> {
      const lines = (await warehouse.sql(statement)).split("\n").filter(Boolean);
      return lines.map((line) => JSON.parse(line));
    }

    it("show what was saved against each baseline, beside the chance of a good answer", async () => {
      const accountId = "saver";
      const baseline = { ...answered, baselineModel: "o3" };
      const none = { decision: undefined, ...strong };
      await insert([
        sampleEvent({ accountId, end: baseline }),
        sampleEvent({
          accountId,
          end: { ...baseline, ...strong, providerCostNanoUsd: 4_050_000n },
        }),
        sampleEvent({ accountId, end: { ...answered, baselineModel: "gpt-5" } }),
        sampleEvent({ accountId, end: { ...baseline, ...none }, requestedModel: "o3" }),
        sampleEvent({ accountId, end: { ...baseline, outcome: Outcome.UPSTREAM_PARTIAL } }),
      ]);
      const where = `account_id = '${accountId}' ORDER BY baseline_model`;
      const [one, two] = await ask(`SELECT * FROM savings WHERE ${where}`);
      const half = 1.96 * Math.sqrt(0.5 * 0.5);
      expect(one).toEqual({
        ...{ period_id: "2026-04", account_id: accountId, baseline_model: "gpt-5", answers: 1 },
        ...{ provider_cost_usd: 0.000047, baseline_cost_usd: 0.00405 },
        saved_percent: expect.closeTo(100 * (1 - 47 / 4_050), 9),
        ...{ quality: 0.5, strongest_quality: 0.75 },
        quality_low: Math.max(0, 0.5 - half),
        quality_high: Math.min(1, 0.5 + half),
      });
      expect(two).toMatchObject({
        ...{ baseline_model: "o3", answers: 2, quality: 0.625, strongest_quality: 0.75 },
        ...{ baseline_cost_usd: 0.0081, saved_percent: expect.closeTo(50 * (1 - 47 / 4_050), 9) },
      });
    });

    it("narrow the interval of the quality with each answer", async () => {
      const accountId = "many";
      await insert(Array.from({ length: 400 }, () => sampleEvent({ accountId, end: answered })));
      const [row] = await ask(`SELECT * FROM savings WHERE account_id = '${accountId}'`);
      expect(row?.["quality_low"]).toBeCloseTo(0.5 - 1.96 * 0.025, 9);
      expect(row?.["quality_high"]).toBeCloseTo(0.5 + 1.96 * 0.025, 9);
    });

    const signs = { invalid_json: false, left_early: false, retried: false, escalated: false };
    const named = { requestedModel: "o3", end: { ...answered, ...strong, decision: undefined } };
    const invalid = { model: "o3", provider: "demo", status: 200, latencyMs: 9 };
    it.each<[string, Partial<Sample>, Partial<Sample> | undefined, object]>([
      ["nothing follows", {}, undefined, {}],
      ["it is asked again at once", {}, { admittedAtMs: 850 }, { retried: true }],
      ["it is asked again after two minutes", {}, { admittedAtMs: 120_850 }, { retried: true }],
      ["it is asked again later", {}, { admittedAtMs: 120_851 }, {}],
      ["it is asked again before its end", {}, { admittedAtMs: 849 }, {}],
      [
        "a strong model is asked",
        {},
        { ...named, admittedAtMs: 900 },
        { retried: true, escalated: true },
      ],
      [
        "a strong answer is asked for again",
        { end: { ...answered, ...strong } },
        { ...named, admittedAtMs: 900 },
        { retried: true },
      ],
      ["another key asks the same", {}, { keyId: "another", admittedAtMs: 900 }, {}],
      ["the same is asked under another tag", {}, { tag: "b", admittedAtMs: 900 }, {}],
      [
        "something longer is asked",
        {},
        { admittedAtMs: 900, end: { ...answered, estimatedPromptTokens: 118 } },
        {},
      ],
      [
        "the client leaves",
        { end: { ...answered, outcome: Outcome.CLIENT_CANCEL_PARTIAL } },
        undefined,
        { left_early: true },
      ],
      [
        "a model gives no JSON",
        { end: { ...answered, attempts: [{ ...invalid, errorClass: "invalid_json" }] } },
        undefined,
        { invalid_json: true },
      ],
      [
        "a model is down",
        { end: { ...answered, attempts: [{ ...invalid, errorClass: "http_503" }] } },
        undefined,
        {},
      ],
    ])("say what became of an answer where %s", async (what, sample, next, expected) => {
      const accountId = what;
      const common = { accountId, end: answered };
      const later = next && { ...next, admittedAtMs: admittedAtMs + (next.admittedAtMs ?? 0) };
      await insert([
        sampleEvent({ ...common, ...sample }),
        ...(later === undefined ? [] : [sampleEvent({ ...common, ...later })]),
      ]);
      const columns = `${Object.keys(signs).join(", ")}, good`;
      const where = `account_id = '${accountId}' ORDER BY admitted_at LIMIT 1`;
      const rows = await ask(`SELECT ${columns} FROM router_outcomes WHERE ${where}`);
      const good = Object.keys(expected).length === 0;
      expect(rows).toEqual([{ ...signs, ...expected, good }]);
    });

    const down = { thumb: "down" } as const;
    const up = { thumb: "up" } as const;
    it.each<[string, readonly [Rating, number][], object]>([
      ["up", [[up, 1_000]], { feedback_thumb: "up", feedback_score: null, good: true }],
      ["down", [[down, 1_000]], { feedback_thumb: "down", feedback_score: null, good: false }],
      ["0.5", [[{ score: 0.5 }, 1_000]], { feedback_thumb: "", feedback_score: 0.5, good: true }],
      ["0.499999", [[{ score: 0.499_999 }, 1_000]], { feedback_score: 0.499_999, good: false }],
      ["down, but 0.9", [[{ ...down, score: 0.9 }, 1_000]], { feedback_score: 0.9, good: true }],
      [
        "up and then down",
        [
          [{ ...up, score: 1 }, 1_000],
          [down, 2_000],
        ],
        { feedback_thumb: "down", feedback_score: null, good: false },
      ],
      [
        "down at first, which came later into the log",
        [
          [up, 2_000],
          [down, 1_000],
        ],
        { feedback_thumb: "up", good: true },
      ],
      ["only a comment", [[{ comment: "hm" }, 1_000]], { feedback_thumb: "", good: true }],
    ])("believe a client that says %s of an answer", async (says, ratings, expected) => {
      const accountId = `says ${says}`;
      const answer = sampleEvent({ accountId, end: answered });
      const feedback = ratings.map(([rating, afterMs]) => sampleFeedback(answer, rating, afterMs));
      await insert([answer, ...feedback]);
      const rows = await ask(`SELECT * FROM router_outcomes WHERE account_id = '${accountId}'`);
      expect(rows).toEqual([expect.objectContaining({ ...signs, ...expected })]);
    });

    it("believe a client rather than the signs", async () => {
      const accountId = "says and does";
      const left = { ...answered, outcome: Outcome.CLIENT_CANCEL_PARTIAL };
      const answer = sampleEvent({ accountId, end: left });
      await insert([answer, sampleFeedback(answer, up)]);
      const where = `account_id = '${accountId}'`;
      const rows = await ask(`SELECT left_early, good FROM router_outcomes WHERE ${where}`);
      expect(rows).toEqual([{ left_early: true, good: true }]);
    });

    it("export to the training what clients said, in the form that it reads", async () => {
      const accountId = "exported";
      const answer = sampleEvent({ accountId, requestId: "req-7", end: answered });
      await insert([answer, sampleFeedback(answer, { score: 0.25 })]);
      const rows = await ask(`SELECT * FROM (${ownOutcomes}) WHERE id = 'req-7'`);
      expect(rows).toEqual([
        {
          ...{ id: "req-7", tier: "budget", good: false, score: 0.25 },
          chances_ppm: [300_000, 500_000, 700_000, 700_000, 750_000],
          ...{ ranked_tiers: ["budget", "ultra"], propensity_ppm: 1_000_000 },
          completion_tokens: 30,
        },
      ]);
    });

    it("do not take embeddings of the same length for a request that was made again", async () => {
      const accountId = "embeds";
      const next = { admittedAtMs: admittedAtMs + 900, requestedModel: "bge-m3" };
      await insert([
        sampleEvent({ accountId, end: answered }),
        sampleEvent({ accountId, ...next, operation: "embeddings", end: { ...answered } }),
      ]);
      const where = `account_id = '${accountId}'`;
      expect(await ask(`SELECT retried, good FROM router_outcomes WHERE ${where}`)).toEqual([
        { retried: false, good: true },
      ]);
    });

    it("are found by the id that the client saw: the last request of the account with it", async () => {
      const one = { accountId: "finder", requestId: "req-found", end: answered };
      const [first, last] = [
        sampleEvent({ ...one, tag: "first" }),
        sampleEvent({ ...one, tag: "last", admittedAtMs: admittedAtMs + 1 }),
      ];
      const hold = sampleHold({ accountId: "finder", requestId: "req-swept" });
      await insert([last, first, sampleFeedback(last, down), hold]);
      const find = (requestId: string) => warehouse.eventOfRequest("finder", requestId);
      expect(await find("req-found")).toMatchObject({
        ...{ eventId: toEventIdText(last.eventId), tag: "last", kind: "request" },
        ...{ tier: "budget", creditsMicro: 1_000_000n },
      });
      expect(await find("req-swept")).toMatchObject({ creditsMicro: 0n, tier: undefined });
      expect(await find("'; DROP TABLE optamil.usage_events; --")).toBeUndefined();
      expect(await warehouse.eventOfRequest("other", "req-found")).toBeUndefined();
    });

    it("join what clients said to their requests, the last word of each, whatever was asked for", async () => {
      const accountId = "joined";
      const [chat, vectors] = [
        sampleEvent({ accountId, requestId: "req-8", tag: "a", end: answered }),
        sampleEvent({ accountId, requestId: "req-9", operation: "embeddings", end: answered }),
      ];
      const stranger = sampleFeedback({ ...chat, accountId: "stranger" }, down);
      await insert([
        ...[chat, sampleFeedback(chat, { ...down, comment: "no" }), vectors, stranger],
        ...[sampleFeedback(chat, { ...up, score: 1 }, 3_000), sampleFeedback(vectors, down)],
      ]);
      const where = `account_id IN ('${accountId}', 'stranger') ORDER BY request_id`;
      const columns = "request_id, operation, tag, served_model, thumb, score, comment, times";
      expect(await ask(`SELECT ${columns}, given_at FROM feedback WHERE ${where}`)).toEqual([
        {
          ...{ request_id: "req-8", operation: "chat", tag: "a", served_model: "deepseek-chat" },
          ...{ thumb: "up", score: 1, comment: "", times: 2 },
          given_at: "2026-04-15 12:00:03.000000",
        },
        {
          ...{ request_id: "req-9", operation: "embeddings", tag: "" },
          ...{ served_model: "deepseek-chat", thumb: "down", score: null, comment: "", times: 1 },
          given_at: "2026-04-15 12:00:01.000000",
        },
      ]);
    });

    it("compare the shadow's choices with those that were made, by both weights and by what became of them", async () => {
      const shadow = {
        ...sampleDecision,
        weights: "5ad05ad05ad0",
        chances: { free: 0.1, budget: 0.2, mid: 0.4, premium: 0.6, ultra: 0.9 },
      };
      const strict = { ...shadow, ranked: [ultra, budget].flatMap((one) => one ?? []) };
      const left = { outcome: Outcome.CLIENT_CANCEL_PARTIAL };
      await insert([
        sampleEvent({ accountId: "dusk", end: { ...answered, shadow } }),
        sampleEvent({ accountId: "dusk", end: { ...answered, shadow: strict, ...left } }),
        sampleEvent({ accountId: "dusk", end: answered }),
      ]);
      const near = (value: number) => expect.closeTo(value, 9);
      const where = "shadow_weights = '5ad05ad05ad0'";
      expect(await ask(`SELECT * FROM shadow_comparison WHERE ${where}`)).toEqual([
        {
          ...{ day: "2026-04-15", route_weights: sampleDecision.weights },
          ...{ shadow_weights: shadow.weights, decisions: 2, same_model: 1 },
          ...{ route_cost_usd: near(0.000094), shadow_cost_usd: near(0.002447) },
          ...{ route_quality: near(0.5), route_quality_by_shadow: near(0.2) },
          ...{ shadow_quality: near(0.55), shadow_quality_by_route: near(0.625) },
          ...{ route_brier: near(0.25), shadow_brier: near((0.8 ** 2 + 0.2 ** 2) / 2) },
        },
      ]);
    });
  });
}
