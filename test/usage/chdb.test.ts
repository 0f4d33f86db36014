import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type ChdbWarehouse, openChdbWarehouse } from "../../src/usage/chdb.ts";
import { createRefund, toEventIdText, toRefundId } from "../../src/usage/event.ts";
import { rowColumns, toRows } from "../../src/usage/warehouse-row.ts";
import { describeAnalytics } from "../contracts/analytics.ts";
import { describeRouterViews } from "../contracts/router-views.ts";
import { describeWarehouse } from "../contracts/warehouse.ts";
import {
  admittedAtMs,
  periodId,
  placeEvents,
  sampleDecision,
  sampleEvent,
} from "./sample-events.ts";
import { createIdAt } from "./sample-usage.ts";

function createFolder(): string {
  return mkdtempSync(join(tmpdir(), "optamil-chdb-"));
}

describeWarehouse("chDB", async () => {
  const path = createFolder();
  return {
    open: () => openChdbWarehouse(path),
    remove: async () => rmSync(path, { recursive: true, force: true }),
  };
});

describeRouterViews("chDB", async () => {
  const path = createFolder();
  return {
    open: () => openChdbWarehouse(path),
    remove: async () => rmSync(path, { recursive: true, force: true }),
  };
});

describeAnalytics("chDB", async () => {
  const path = createFolder();
  return {
    questions: 500,
    open: () => openChdbWarehouse(path),
    remove: async () => rmSync(path, { recursive: true, force: true }),
  };
});

describeAnalytics("chDB with rollups of some days", async () => {
  const path = createFolder();
  return {
    questions: 500,
    open: () => openChdbWarehouse(path, { rowsMin: 5, quietSeconds: 0 }),
    async prepare(warehouse) {
      for (let day = 0; day < 60; day++) expect(await warehouse.rollUp()).toBe(true);
    },
    remove: async () => rmSync(path, { recursive: true, force: true }),
  };
});

/** Requests of a time, Unix seconds, as a chart has them and as it would from the rows alone. */
async function countTwice(warehouse: ChdbWarehouse, fromS: number, endS: number) {
  const filters = { model: [], tier: [], provider: [], key: [], tag: [], outcome: [] };
  const times = { previousS: undefined, startsS: [fromS], endS };
  const asked = { accountId: "acme", filters, order: "requests", groupsMax: 1, ...times } as const;
  // Two dimensions are not rolled up.
  const byRows = { ...filters, model: ["deepseek-chat"], tag: ["t"] };
  const [charted] = await warehouse.analytics.figures({ ...asked, by: "none" });
  const [added] = await warehouse.analytics.figures({ ...asked, by: "none", filters: byRows });
  return [charted?.figures.requests, added?.figures.requests];
}

describe("charts of an account with rollups in chDB", () => {
  const hourMs = 3_600_000;
  const dayMs = 24 * hourMs;
  let path: string;
  let warehouse: ChdbWarehouse;
  let offset: number;

  async function insert(...times: readonly number[]): Promise<void> {
    const events = times.map((atMs) => ({
      ...sampleEvent({ eventId: createIdAt(atMs), admittedAtMs: atMs, tag: "t" }),
      periodId: new Date(atMs).toISOString().slice(0, 7),
    }));
    const placed = placeEvents(events, offset);
    offset += events.length;
    await warehouse.insert({ logName: "usage/0", logEpoch: 1, events: placed });
  }

  /** Rolls up all that is due. */
  async function rollUp(): Promise<void> {
    while (await warehouse.rollUp());
  }

  beforeEach(async () => {
    path = createFolder();
    offset = 0;
    warehouse = await openChdbWarehouse(path, { rowsMin: 1, quietSeconds: 0 });
  });
  afterEach(async () => {
    await warehouse.close();
    rmSync(path, { recursive: true, force: true });
  });

  it("have what came late, what came after the rollups, and what was rolled up again", async () => {
    const toMs = Math.floor(admittedAtMs / dayMs + 1) * dayMs;
    /** Requests of the last three days. */
    const count = () => countTwice(warehouse, toMs / 1_000 - 3 * 86_400, toMs / 1_000);
    const daysAgo = (days: number) => admittedAtMs - days * dayMs;
    for (const days of [2, 1]) await insert(daysAgo(days));
    expect(await count()).toEqual([2n, 2n]);
    await rollUp();
    expect(await count()).toEqual([2n, 2n]);
    await insert(daysAgo(0));
    expect(await count()).toEqual([3n, 3n]);
    await insert(daysAgo(2));
    expect(await count()).toEqual([4n, 4n]);
    await rollUp();
    expect(await count()).toEqual([4n, 4n]);
    await insert(daysAgo(1));
    expect(await count()).toEqual([5n, 5n]);
  });

  it("have the present day's whole hours from rollups, and what comes for them late or behind them", async () => {
    const nowMs = Date.now();
    /** Requests of two days and what there is of this one, up to a second. */
    const count = (toMs: number) => {
      const endS = Math.ceil(toMs / 1_000);
      return countTwice(warehouse, (Math.floor(endS / 86_400) - 2) * 86_400, endS);
    };
    await insert(nowMs - dayMs, nowMs - hourMs, nowMs);
    expect(await count(nowMs + 1)).toEqual([3n, 3n]);
    const beforeHour = Math.floor(Date.now() / hourMs);
    await rollUp();
    const last = "SELECT max(until_hour) FROM usage_summed WHERE account_id = 'acme'";
    const untilHour = Number(await warehouse.sql(last, "TSV"));
    expect([beforeHour, Math.floor(Date.now() / hourMs)]).toContain(untilHour);
    expect(await count(nowMs + 1)).toEqual([3n, 3n]);
    await insert(nowMs, nowMs + 1);
    expect(await count(nowMs + 1_000)).toEqual([5n, 5n]);
    await insert(nowMs - hourMs);
    expect(await count(nowMs + 1_000)).toEqual([6n, 6n]);
    await rollUp();
    expect(await count(nowMs + 1_000)).toEqual([6n, 6n]);
    await insert(nowMs - dayMs, nowMs);
    expect(await count(nowMs + 1_000)).toEqual([8n, 8n]);
  });
});

describe("the warehouse in chDB", () => {
  const path = createFolder();
  let warehouse: ChdbWarehouse;
  const trace = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" };
  const event = sampleEvent({
    trace,
    tag: "team-a",
    budgets: [{ id: "tag:team-a", limitMicro: 9_007_199_254_740_991n }],
    end: {
      decision: sampleDecision,
      shadow: { ...sampleDecision, weights: "fedcba987654", need: 0.25, outputTokens: 200 },
      baselineModel: "o3",
      estimatedPromptTokens: 117,
    },
  });

  beforeAll(async () => {
    warehouse = await openChdbWarehouse(path);
    const events = placeEvents([event]);
    await warehouse.insert({ logName: "usage/0", logEpoch: 1, events });
  });
  afterAll(async () => {
    await warehouse.close();
    rmSync(path, { recursive: true, force: true });
  });

  const ranked = [
    { model: "deepseek-chat", tier: "budget", worth_ppm: 490_000, cost_nanousd: 47_000 },
    { model: "o3", tier: "ultra", worth_ppm: -300_000, cost_nanousd: 2_400_000 },
  ];

  it("stores every field of an event", async () => {
    const [row] = (await warehouse.sql("SELECT * FROM usage_events")).trim().split("\n");
    expect(JSON.parse(row ?? "")).toEqual({
      account_id: "acme",
      period_id: "2026-04",
      event_id: toEventIdText(event.eventId),
      rev: 1,
      kind: "request",
      outcome: "stream_ok",
      key_id: "0196362b-1000-7000-8000-000000000001",
      request_id: "req-1",
      request_count: 0,
      admitted_at: "2026-04-15 12:00:00.000000",
      finished_at: "2026-04-15 12:00:00.850000",
      stream: true,
      ttft_ms: 230,
      http_status: 200,
      requested_model: "auto",
      served_model: "deepseek-chat",
      tier: "budget",
      provider: "demo",
      route: "auto: budget",
      prompt_tokens: 120,
      cached_tokens: 20,
      completion_tokens: 30,
      reasoning_tokens: 10,
      tokens_estimated: false,
      credits_micro: 1_000_000,
      hold_micro: 1_000_000,
      schedule_version: 1,
      provider_cost_nanousd: 47_000,
      baseline_cost_nanousd: 4_050_000,
      attempts: [
        {
          model: "gemini-2.5-flash",
          provider: "gemini",
          status: 503,
          latency_ms: 41,
          error_class: "http_5xx",
        },
        { model: "deepseek-chat", provider: "demo", status: 200, latency_ms: 800, error_class: "" },
      ],
      ref_event_id: "00000000-0000-0000-0000-000000000000",
      gateway_id: "",
      boot_epoch: 0,
      local_seq: 0,
      log_name: "usage/0",
      log_epoch: 1,
      log_offset: 0,
      tag: "team-a",
      root_key_id: "0196362b-1000-7000-8000-000000000001",
      budgets: [{ id: "tag:team-a", limit_micro: 9_007_199_254_740_991 }],
      threshold_percent: 0,
      baseline_model: "o3",
      estimated_prompt_tokens: 117,
      route_weights: "0123456789ab",
      route_quality_ppm: 800_000,
      route_lambda_ppm: 1_122_018,
      route_need_ppm: -719_000,
      route_chances_ppm: [300_000, 500_000, 700_000, 700_000, 750_000],
      route_output_tokens: 300,
      route_ranked: ranked,
      route_feasible: 2,
      route_propensity_ppm: 1_000_000,
      shadow_weights: "fedcba987654",
      shadow_need_ppm: 250_000,
      shadow_chances_ppm: [300_000, 500_000, 700_000, 700_000, 750_000],
      shadow_output_tokens: 200,
      shadow_ranked: ranked,
      operation: "chat",
      feedback_thumb: "",
      feedback_score_ppm: null,
      feedback_comment: "",
      ...{ trace_id: trace.traceId, span_id: trace.spanId },
    });
  });

  it("has a cell for each column", () => {
    const events = placeEvents([event], 3);
    const [row] = JSON.parse(`[${toRows({ logName: "usage/0", logEpoch: 1, events })}]`);
    expect(row).toHaveLength(rowColumns.length);
  });

  it.each([
    ["usage", { credits: 1, provider_cost_usd: 0.000047, duration_ms: 850 }],
    [
      "usage_by_day",
      { day: "2026-04-15", tier: "budget", model: "deepseek-chat", requests: 1, credits: 1 },
    ],
    [
      "latency",
      { hour: "2026-04-15 12:00:00", provider: "demo", answers: 1, first_token_p50_ms: 230 },
    ],
    [
      "spending",
      { key_id: "0196362b-1000-7000-8000-000000000001", tag: "team-a", requests: 1, credits: 1 },
    ],
    ["savings", { baseline_model: "o3", answers: 1, quality: 0.5, strongest_quality: 0.75 }],
    ["router_outcomes", { served_model: "deepseek-chat", good: true, retried: false }],
    ["shadow_comparison", { shadow_weights: "fedcba987654", decisions: 1, same_model: 1 }],
    ["outcomes", { outcome: "stream_ok", requested_model: "auto", requests: 1, attempts: 2 }],
  ])("answers analysts from the view %s", async (view, expected) => {
    const rows = (await warehouse.sql(`SELECT * FROM ${view}`)).trim().split("\n");
    expect(rows).toHaveLength(1);
    expect(JSON.parse(rows[0] ?? "")).toMatchObject(expected);
  });

  it("documents its views and columns", async () => {
    const views = "SELECT name FROM system.tables WHERE database = 'optamil' AND engine = 'View'";
    const undocumented = await warehouse.sql(`${views} AND comment = ''`);
    expect(undocumented).toBe("");
    expect((await warehouse.sql(views)).trim().split("\n")).toHaveLength(11);
  });

  it("answers in the format that is asked for", async () => {
    expect(await warehouse.sql("SELECT 1 AS one, 'a' AS two", "CSVWithNames")).toBe(
      '"one","two"\n1,"a"\n',
    );
    await expect(warehouse.sql("SELECT 1", "CSV; DROP")).rejects.toMatchObject({
      code: "invalid_request",
    });
  });

  it("tells analysts what is wrong with a statement", async () => {
    const wrong = warehouse.sql("SELECT no_such_column FROM usage");
    await expect(wrong).rejects.toMatchObject({
      code: "invalid_request",
      message: expect.stringContaining("no_such_column"),
    });
  });

  it.each([
    "DROP TABLE usage_events",
    "INSERT INTO usage_events (account_id) VALUES ('x')",
    "ALTER TABLE usage_events DELETE WHERE 1",
    "SET readonly = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
    "SELECT * FROM executable('ls', 'TSV', 'a String')",
    "SELECT file('/etc/passwd')",
    "SELECT 1 INTO OUTFILE '/tmp/optamil-outfile'",
    "CREATE TEMPORARY TABLE x (a Int8)",
    "KILL QUERY WHERE 1",
    "SYSTEM SHUTDOWN",
  ])("refuses analysts the statement %s", async (statement) => {
    await expect(warehouse.sql(statement)).rejects.toMatchObject({ code: "invalid_request" });
    expect(await warehouse.sql("SELECT count() FROM usage", "TSV")).toBe("1\n");
  });

  it("finds one event of an account, with what a refund needs", async () => {
    const eventId = toEventIdText(event.eventId);
    const found = await warehouse.event("acme", eventId);
    expect(found).toEqual({
      eventId,
      accountId: "acme",
      periodId,
      kind: "request",
      tier: "budget",
      creditsMicro: 1_000_000n,
      keyId: event.keyJti,
      rootKeyId: event.keyJti,
      tag: "team-a",
      budgets: [{ id: "tag:team-a", limitMicro: 9_007_199_254_740_991n }],
    });
    expect(await warehouse.event("other", eventId)).toBeUndefined();
  });

  it("finds the last request of an account with an id as its client saw it", async () => {
    const found = await warehouse.eventOfRequest("acme", "req-1");
    expect(found).toEqual(await warehouse.event("acme", toEventIdText(event.eventId)));
    expect(await warehouse.eventOfRequest("acme", "req-2")).toBeUndefined();
    expect(await warehouse.eventOfRequest("other", "req-1")).toBeUndefined();
  });

  it("takes a second refund of an event as the first one", async () => {
    const eventId = toEventIdText(event.eventId);
    const charged = {
      eventId,
      accountId: "acme",
      periodId,
      tier: "budget",
      creditsMicro: 1_000_000n,
      keyId: "key",
      rootKeyId: "key",
      tag: "",
      budgets: [],
    } as const;
    const refunds = [
      createRefund(charged, admittedAtMs),
      createRefund(charged, admittedAtMs + 5_000),
    ];
    const events = placeEvents(refunds, 1);
    await warehouse.insert({ logName: "usage/0", logEpoch: 1, events });
    const [sum] = await warehouse.sums(["acme"], [periodId]);
    expect(sum?.microByTier.budget).toBe(0n);
    expect((await warehouse.event("acme", toRefundId(eventId)))?.creditsMicro).toBe(-1_000_000n);
  });
});
