import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { beforeAll, describe, expect, it, vi } from "vitest";
import {
  AnalyticsService,
  GetLoggedRequestResponseSchema,
  GetSavingsResponseSchema,
  GetTopUsageResponseSchema,
  GetUsageSeriesResponseSchema,
  ListLoggedRequestsResponseSchema,
  LoggedRequestSchema,
} from "../../src/gen/optamil/v1/analytics_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { bearer, type HeaderMap } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const plan = {
  ...{ name: "six", creditsPerMonth: 6, requestsPerMinute: 100 },
  ...{ requestsPerDay: 100, tokensPerMinute: 100_000 },
};
const gateway = await startGateway({ config: { plans: [plan] } });
const admin = bearer(gateway.key);
const chatPath = "/v1/chat/completions";
const messages = [{ role: "user", content: "Say hello." }];

type Opened = { readonly id: string; readonly headers: HeaderMap };

async function openAccount(): Promise<Opened> {
  const path = "/v1/admin/accounts";
  const body = { name: "analytics", plan: plan.name };
  const reply = await sendHttp1(gateway.url, { path, headers: admin, body });
  const { account, key } = JSON.parse(reply.text);
  return { id: account.id, headers: bearer(key) };
}

async function get(path: string, headers: HeaderMap) {
  const reply = await sendHttp1(gateway.url, { path, headers });
  return { status: reply.status, headers: reply.headers, text: reply.text };
}

async function ask(path: string, headers: HeaderMap) {
  const { status, text } = await get(path, headers);
  expect(status, text).toBe(200);
  return JSON.parse(text);
}

const mine = await openAccount();
const other = await openAccount();
const named = { model: "deepseek-v3", messages };

/** Seven requests of mine: two tags, three models asked for, credits for six; one of somebody else. */
async function use(): Promise<void> {
  const send = async (body: object, tag: string, headers = mine.headers) =>
    sendHttp1(gateway.url, { path: chatPath, headers: { ...headers, "x-optamil-tag": tag }, body });
  for (let count = 0; count < 3; count++) await send(named, "team-a");
  await send({ ...named, stream: true }, "team-b");
  await send({ model: "o3", messages }, "team-b");
  await send({ model: "auto", messages }, "team-b");
  await send(named, "team-b");
  await send(named, "team-secret", other.headers);
}

/** The doors: each gives the JSON of REST. */
const doors = [
  { name: "REST", call: restCall() },
  {
    name: "Connect",
    call: rpcCall(createConnectTransport({ baseUrl: gateway.url, httpVersion: "1.1" })),
  },
  { name: "gRPC", call: rpcCall(createGrpcTransport({ baseUrl: gateway.url })) },
] as const;

type Call = (
  what: "series" | "top" | "requests" | "savings",
  asked: Record<string, unknown>,
  headers: HeaderMap,
) => Promise<Record<string, unknown>>;

function restCall(): Call {
  return (what, asked, headers) => ask(`/v1/usage/${what}?${toQuery(asked)}`, headers);
}

function toQuery(asked: Record<string, unknown>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(asked)) {
    for (const one of [value].flat())
      query.append(name.replace(/[A-Z]/g, "_$&").toLowerCase(), String(one));
  }
  return query.toString();
}

function rpcCall(transport: Transport): Call {
  const client = createClient(AnalyticsService, transport);
  const text = {
    series: jsonCodec(GetUsageSeriesResponseSchema).encodeText,
    top: jsonCodec(GetTopUsageResponseSchema).encodeText,
    requests: jsonCodec(ListLoggedRequestsResponseSchema).encodeText,
    savings: jsonCodec(GetSavingsResponseSchema).encodeText,
  };
  return async (what, asked, headers) => {
    const options = { headers };
    if (what === "series")
      return JSON.parse(text.series(await client.getUsageSeries(asked, options)));
    if (what === "top") return JSON.parse(text.top(await client.getTopUsage(asked, options)));
    if (what === "savings")
      return JSON.parse(text.savings(await client.getSavings(asked, options)));
    return JSON.parse(text.requests(await client.listLoggedRequests(asked, options)));
  };
}

beforeAll(async () => {
  await use();
  const times = { timeout: 50_000, interval: 200 };
  const expectTotal = async ({ headers }: Opened, total: object) =>
    expect((await ask("/v1/usage/series", headers)).total).toMatchObject(total);
  await vi.waitFor(() => expectTotal(mine, { requests: 6, refused: 1 }), times);
  await vi.waitFor(() => expectTotal(other, { requests: 1 }), times);
}, 120_000);

describe.each(doors)("analytics through $name", ({ call }) => {
  it("adds up to the credits that /v1/usage has", async () => {
    const { credits_used: used } = await ask("/v1/usage", mine.headers);
    const { total, data } = await call("series", {}, mine.headers);
    expect(used).toBe(6);
    expect(total).toMatchObject({ credits: 6, requests: 6, refused: 1, errors: 0, answers: 6 });
    expect(data).toMatchObject([{ group: "", other: false, total: { credits: 6 } }]);
  });

  it("tells groups apart, and puts the rest into one", async () => {
    const asked = { groupBy: "tag", groups: 1, compare: true, timeZone: "Europe/Berlin" };
    const series = await call("series", asked, mine.headers);
    expect(series).toMatchObject({
      object: "list",
      granularity: "day",
      time_zone: "Europe/Berlin",
      data: [
        { group: "team-b", other: false, total: { requests: 3, refused: 1, credits: 3 } },
        { group: "", other: true, total: { requests: 3, refused: 0, credits: 3 } },
      ],
      previous: { requests: 0, credits: 0 },
    });
    expect(series["buckets"]).toHaveLength(31);
    expect(series["buckets"]).toEqual(
      expect.arrayContaining([expect.stringMatching(/^\d{4}-\d\d-\d\dT00:00:00\+0[12]:00$/)]),
    );
  });

  it("counts what the filters let through", async () => {
    const asked = { tag: ["team-a", "team-b"], model: ["deepseek-v3"] };
    const { total } = await call("series", asked, mine.headers);
    expect(total).toMatchObject({ requests: 4, refused: 0, credits: 4 });
    const hostile = { tag: ["team-a') OR ('' = '"], model: ["%'; DROP TABLE optamil.usage"] };
    const nothing = await call("series", hostile, mine.headers);
    expect(nothing["total"]).toMatchObject({ requests: 0, credits: 0 });
  });

  it("ranks models", async () => {
    const top = await call("top", { by: "model", order: "requests", limit: 1 }, mine.headers);
    expect(top).toMatchObject({
      data: [{ group: "deepseek-v3", figures: { requests: 4, credits: 4 } }],
      other: { group: "", figures: { requests: 2, refused: 1, credits: 2 } },
      total: { requests: 6, refused: 1 },
    });
  });

  it("pages through the log, newest first", async () => {
    const first = await call("requests", { limit: 4 }, mine.headers);
    expect(first).toMatchObject({ object: "list", has_more: true });
    const second = await call("requests", { limit: 4, cursor: first["next_cursor"] }, mine.headers);
    expect(second).toMatchObject({ has_more: false, next_cursor: "" });
    const rows = [first["data"], second["data"]].flat();
    expect(rows).toMatchObject([
      { kind: "rejected", outcome: "rejected_402", requested_model: "deepseek-v3", model: "" },
      { requested_model: "auto", outcome: "ok", tag: "team-b", credits: 1 },
      { model: "o3", tier: "ultra", provider: "demo" },
      { model: "deepseek-v3", stream: true, outcome: "stream_ok" },
      ...Array(3).fill({ model: "deepseek-v3", tag: "team-a", attempts: 0, credits: 1 }),
    ]);
  });

  it("tells what routing saved, and what that is worth", async () => {
    const savings = await call("savings", {}, mine.headers);
    expect(savings).toMatchObject({ data: [{ answers: 1 }], total: { answers: 1 } });
    expect(savings["footnote"]).toContain("nobody judged the answers");
    const { total } = jsonCodec(GetSavingsResponseSchema).decode(savings);
    const { quality = -1, qualityLow = -1, qualityHigh = -1 } = total ?? {};
    expect(qualityLow).toBeLessThan(quality);
    expect(quality).toBeLessThan(qualityHigh);
  });

  it("never shows another account's usage", async () => {
    for (const what of ["series", "top", "requests", "savings"] as const) {
      const text = JSON.stringify(await call(what, {}, mine.headers));
      expect(text).not.toContain("team-secret");
      const naming = call(what, { accountId: other.id }, mine.headers);
      await expect(naming).rejects.toThrow(/scope admin|403/);
    }
    const named = await call("series", { accountId: other.id, groupBy: "tag" }, admin);
    expect(named).toMatchObject({ data: [{ group: "team-secret", total: { requests: 1 } }] });
    const cursor = (await call("requests", { limit: 1 }, mine.headers))["next_cursor"];
    const page = await call("requests", { cursor }, other.headers);
    expect(JSON.stringify(page)).not.toContain("team-a");
  });
});

describe("one request of the log", () => {
  it("is found by x-request-id and by its event's id, with the router's decision", async () => {
    const { data } = await ask("/v1/usage/requests?tag=team-b&limit=2", mine.headers);
    const { request_id: requestId, id } = data[1];
    const path = `/v1/usage/requests/${requestId}`;
    const found = jsonCodec(GetLoggedRequestResponseSchema).decode(await ask(path, mine.headers));
    expect(found.request).toMatchObject({ id, requestedModel: "auto" });
    expect(found.route?.ranked[0]?.model).toBe(found.request?.model);
    expect(found.route?.explanation).toContain("scorer=neural");
    expect(await ask(`/v1/usage/requests/${id}`, mine.headers)).toEqual(
      await ask(path, mine.headers),
    );
    expect((await get(path, other.headers)).status).toBe(404);
  });
});

describe("an export", () => {
  it("is lines of JSON, as the log has them", async () => {
    const { data } = await ask("/v1/usage/requests", mine.headers);
    const { status, headers, text } = await get("/v1/usage/export", mine.headers);
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/x-ndjson");
    const lines = text.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(data);
  });

  it("is CSV with a head line, where that is asked for", async () => {
    const { headers, text } = await get("/v1/usage/export?format=csv&limit=2", mine.headers);
    expect(headers["content-type"]).toBe("text/csv; charset=utf-8; header=present");
    const [head, first, second, ...more] = text.split("\n");
    expect(head).toMatch(/^id,request_id,kind,outcome,admitted_at,/);
    expect(first).toContain(",rejected,rejected_402,");
    expect(second).toContain(",request,ok,");
    expect(more).toEqual([""]);
  });

  it("is a stream of messages over gRPC, with a cursor to go on from", async () => {
    const client = createClient(AnalyticsService, createGrpcTransport({ baseUrl: gateway.url }));
    const exportAll = async (asked: { limit: number; cursor?: string }) => {
      const messages = [];
      for await (const message of client.exportLoggedRequests(asked, { headers: mine.headers })) {
        messages.push(message);
      }
      return { rows: messages.flatMap(({ data }) => data), last: messages.at(-1)?.nextCursor };
    };
    const first = await exportAll({ limit: 5 });
    const second = await exportAll({ limit: 5, cursor: first.last ?? "" });
    expect([first.rows.length, second.rows.length, second.last]).toEqual([5, 2, ""]);
    const { data } = await ask("/v1/usage/requests", mine.headers);
    const codec = jsonCodec(LoggedRequestSchema);
    const rows = [...first.rows, ...second.rows].map((row) => JSON.parse(codec.encodeText(row)));
    expect(rows).toEqual(data);
  });
});

describe("a question that makes no sense", () => {
  it.each([
    ["series?time_zone=Mars/Olympus", "time_zone"],
    ["series?time_zone=UTC%27%3B--", "time_zone"],
    ["series?from=yesterday", "from"],
    ["series?from=2026-02-30", "from"],
    ["series?from=2026-03-02&to=2026-03-01", "from"],
    ["series?granularity=hour&from=2025-01-01&to=2026-01-01", "granularity"],
    ["series?granularity=hour&group_by=tag&groups=20", "groups"],
    ["series?granularity=week", "granularity"],
    ["series?group_by=account_id", "group_by"],
    ["series?groups=21", "groups"],
    ["top?order=credits;DROP", "order"],
    ["requests?cursor=AAAA", "cursor"],
    ["requests?cursor=%00", "cursor"],
    [`requests?cursor=${Buffer.from("1.' OR 1=1").toString("base64url")}`, "cursor"],
    ["requests?limit=1001", "limit"],
    ["export?format=xml", "format"],
    ["export?limit=1000001", "limit"],
    ["savings?to=1999-01-01", "to"],
  ])("is refused: %s", async (path, param) => {
    const { status, text } = await get(`/v1/usage/${path}`, mine.headers);
    expect(status).toBe(400);
    expect(JSON.parse(text).error).toMatchObject({ type: "invalid_request_error", param });
  });

  it("is refused by name where there is no such request or account", async () => {
    const request = await get("/v1/usage/requests/a/b%20c", mine.headers);
    expect(request.status).toBe(404);
    const account = "0190b2c4-0000-7000-8000-00000000000a";
    expect((await get(`/v1/usage/top?account_id=${account}`, admin)).status).toBe(404);
  });
});
