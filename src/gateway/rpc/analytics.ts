// AnalyticsService: what the caller's account used, over time and request by request, from the warehouse.
import { setImmediate } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import {
  AnalyticsService,
  GetLoggedRequestResponseSchema,
  GetSavingsResponseSchema,
  GetTopUsageResponseSchema,
  GetUsageSeriesResponseSchema,
  ListLoggedRequestsResponseSchema,
} from "../../gen/optamil/v1/analytics_pb.ts";
import { invalidRequest, OptamilError } from "../../platform/errors.ts";
import type { AccountSql } from "../../usage/account-sql.ts";
import type { AnalyticsWarehouse } from "../../usage/analytics.ts";
import { formatTime, startOf, toBuckets } from "../../usage/time-buckets.ts";
import { type Exchange, type MethodEntry, rows, unary } from "../exchange.ts";
import { accountSqlMethods } from "./account-sql.ts";
import { toSeries, toTop } from "./analytics-figures.ts";
import { createExport, toLoggedRequest } from "./analytics-log.ts";
import {
  dimensionOf,
  encodeCursor,
  filtersOf,
  granularityOf,
  orderOf,
  parseCursor,
  spanOf,
  zoneOf,
} from "./analytics-question.ts";

/** What the service stands on. */
export type AnalyticsParts = {
  readonly analytics: AnalyticsWarehouse;
  /** SQL of accounts; undefined: there is none here. */
  readonly accountSql: AccountSql | undefined;
  /** Throws `not_found` for an account that there is not. */
  readonly findAccount: (accountId: string) => { readonly id: string };
  /** Unix milliseconds. */
  readonly wallMs: () => number;
};

const bucketsMax = 800;
/** Buckets times groups: what a page draws, and what a gateway writes in a few milliseconds. */
const pointsMax = 7_500;
const groupsDefault = 8;
const topDefault = 10;
const pageDefault = 50;

const footnote =
  "Complete answers to auto. Costs are by the providers' list prices. Quality is the router's own estimate of the chance " +
  "of a good answer: nobody judged the answers, and the interval of 95 % is of chance alone, right as far as the weights' " +
  "chances are calibrated. The baseline's cost is of the same tokens; another model may have used more or fewer.";

/** The methods of AnalyticsService. */
export function analyticsMethods(parts: AnalyticsParts): readonly MethodEntry[] {
  const { analytics } = parts;
  const accountOf = (asked: string, exchange: Exchange) => findAccount(asked, exchange, parts);
  const { method } = AnalyticsService;
  const exported = createExport(analytics, accountOf, parts.wallMs);
  return [
    ...figureMethods(parts, accountOf),
    savingsMethod(parts, accountOf),
    ...accountSqlMethods(parts.accountSql, accountOf),
    unary(method.listLoggedRequests, async (request, exchange) => {
      const zone = zoneOf(request);
      const limit = request.limit ?? pageDefault;
      const found = await analytics.requests({
        accountId: accountOf(request.accountId, exchange),
        ...spanOf(request, zone, parts.wallMs()),
        filters: filtersOf(request),
        limit: limit + 1,
        after: parseCursor(request.cursor),
      });
      const page = found.slice(0, limit);
      const last = found.length > limit ? page.at(-1) : undefined;
      return create(ListLoggedRequestsResponseSchema, {
        object: "list",
        data: page.map((row) => toLoggedRequest(row, zone)),
        hasMore: last !== undefined,
        nextCursor: last === undefined ? "" : encodeCursor(last.place),
      });
    }),
    unary(method.getLoggedRequest, async ({ requestId, accountId }, exchange) => {
      const found = await analytics.request(accountOf(accountId, exchange), requestId);
      if (found === undefined) {
        const message =
          "The account has no request with that id; new ones are found after a second.";
        throw new OptamilError("not_found", message, { param: "request_id" });
      }
      const { attempts, route } = found;
      return create(GetLoggedRequestResponseSchema, {
        request: toLoggedRequest(found, zoneOf({ timeZone: "" })),
        ...(attempts !== undefined && { attempts }),
        ...(route !== undefined && { route }),
      });
    }),
    rows(method.exportLoggedRequests, exported),
  ];
}

type AccountOf = (asked: string, exchange: Exchange) => string;

function figureMethods({ analytics, wallMs }: AnalyticsParts, accountOf: AccountOf) {
  const { method } = AnalyticsService;
  return [
    unary(method.getUsageSeries, async (request, exchange) => {
      const zone = zoneOf(request);
      const granularity = granularityOf(request.granularity);
      const span = spanOf(request, zone, wallMs());
      const { startsMs, endMs } = toBuckets(granularity, span, zone, bucketsMax);
      const by = dimensionOf(request.groupBy, "none");
      const groupsMax = by === "none" ? 1 : (request.groups ?? groupsDefault);
      checkPoints(startsMs.length * (by === "none" ? 1 : groupsMax + 1));
      const before = startOf(granularity, span.fromMs, zone, -startsMs.length);
      const found = await analytics.figures({
        accountId: accountOf(request.accountId, exchange),
        filters: filtersOf(request),
        by,
        order: "requests",
        groupsMax,
        previousS: request.compare ? toSeconds(before) : undefined,
        startsS: startsMs.map(toSeconds),
        endS: toSeconds(endMs),
      });
      // What came takes a millisecond to read, to put together and to write, each: others have their turn between.
      await setImmediate();
      const buckets = startsMs.map((atMs) => formatTime(atMs, zone));
      const names = new Map(startsMs.map((atMs, at) => [toSeconds(atMs), buckets[at] ?? ""]));
      const series = toSeries(found, {
        groupsMax,
        grouped: by !== "none",
        compare: request.compare,
        nameOf: (startS) => names.get(startS) ?? "",
      });
      const answer = create(GetUsageSeriesResponseSchema, {
        ...{ object: "list", granularity, timeZone: zone.name, buckets },
        ...{ end: formatTime(endMs, zone), ...series },
      });
      await setImmediate();
      return answer;
    }),
    unary(method.getTopUsage, async (request, exchange) => {
      const zone = zoneOf(request);
      const { fromMs, toMs } = spanOf(request, zone, wallMs());
      const [fromS, endS] = [Math.floor(fromMs / 1_000), Math.ceil(toMs / 1_000)];
      const groupsMax = request.limit ?? topDefault;
      const found = await analytics.figures({
        accountId: accountOf(request.accountId, exchange),
        filters: filtersOf(request),
        by: dimensionOf(request.by, "model"),
        order: orderOf(request.order),
        groupsMax,
        previousS: request.compare ? Math.max(0, 2 * fromS - endS) : undefined,
        startsS: [fromS],
        endS,
      });
      return create(GetTopUsageResponseSchema, {
        object: "list",
        ...toTop(found, { groupsMax, compare: request.compare }),
        from: formatTime(fromS * 1_000, zone),
        to: formatTime(endS * 1_000, zone),
      });
    }),
  ];
}

function savingsMethod({ analytics, wallMs }: AnalyticsParts, accountOf: AccountOf) {
  return unary(AnalyticsService.method.getSavings, async (request, exchange) => {
    const zone = zoneOf(request);
    const span = spanOf(request, zone, wallMs());
    const accountId = accountOf(request.accountId, exchange);
    const found = await analytics.savings({ accountId, ...span });
    return create(GetSavingsResponseSchema, {
      object: "list",
      data: found.filter(({ all }) => !all).map(({ savings }) => savings),
      total: found.find(({ all }) => all)?.savings ?? {},
      footnote,
      from: formatTime(span.fromMs, zone),
      to: formatTime(span.toMs, zone),
    });
  });
}

/** The account that a call is about. Throws `permission_denied`, `not_found`. */
function findAccount(asked: string, { caller }: Exchange, parts: AnalyticsParts): string {
  if (asked === "" || asked === caller.accountId) return caller.accountId;
  if (caller.scopes.includes("admin")) return parts.findAccount(asked).id;
  const message = "Only a key with scope admin may name another account.";
  throw new OptamilError("permission_denied", message, { param: "account_id" });
}

function checkPoints(points: number): void {
  if (points <= pointsMax) return;
  const message = `There would be more than ${pointsMax} points: ask for fewer groups, less time, or longer buckets.`;
  throw invalidRequest(message, "groups");
}

function toSeconds(atMs: number): number {
  return Math.max(0, Math.floor(atMs / 1_000));
}
