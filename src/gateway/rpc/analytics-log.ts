// The log of requests as messages, and its exports: page after page, while somebody reads, within bounds.
import { create } from "@bufbuild/protobuf";
import {
  type ExportLoggedRequestsRequest,
  type ExportLoggedRequestsResponse,
  ExportLoggedRequestsResponseSchema,
  type LoggedRequest,
  LoggedRequestSchema,
} from "../../gen/optamil/v1/analytics_pb.ts";
import { OptamilError } from "../../platform/errors.ts";
import type { AnalyticsWarehouse, LoggedRow, LogPlace } from "../../usage/analytics.ts";
import { formatMicros, type TimeZone } from "../../usage/time-buckets.ts";
import type { Exchange } from "../exchange.ts";
import { encodeCursor, filtersOf, parseCursor, spanOf, zoneOf } from "./analytics-question.ts";

const rowsMax = 1_000_000;
/** A question costs as much whether it gives few rows or many. */
const rowsAtOnce = 10_000;
/** Encoded in a few milliseconds, so that requests in between are not held up. */
const rowsPerMessage = 500;
const deadlineMs = 300_000;
const runningMax = 2;

/** A request of the log as it is shown. */
export function toLoggedRequest({ place, request }: LoggedRow, zone: TimeZone): LoggedRequest {
  const admittedAt = formatMicros(place.admittedAtUs, zone);
  return create(LoggedRequestSchema, { ...request, admittedAt });
}

/** Exports the log of one account at a time. Throws `service_unavailable` where too many run. */
export function createExport(
  analytics: Pick<AnalyticsWarehouse, "requests">,
  accountOf: (asked: string, exchange: Exchange) => string,
  wallMs: () => number,
) {
  const running = new Set<string>();
  return async function* exported(
    request: ExportLoggedRequestsRequest,
    exchange: Exchange,
  ): AsyncGenerator<ExportLoggedRequestsResponse> {
    const accountId = accountOf(request.accountId, exchange);
    const zone = zoneOf(request);
    const startedMs = wallMs();
    const span = spanOf(request, zone, startedMs);
    const question = { accountId, ...span, filters: filtersOf(request) };
    let after = parseCursor(request.cursor);
    if (running.size >= runningMax || running.has(accountId)) throw tooMany();
    running.add(accountId);
    try {
      for (let left = request.limit ?? rowsMax; left > 0; ) {
        const limit = Math.min(left, rowsAtOnce);
        const found = await analytics.requests({ ...question, limit, after });
        left -= found.length;
        const isLast = found.length < limit;
        for (let at = 0; at < Math.max(found.length, 1); at += rowsPerMessage) {
          if (exchange.cancellation.cancelled) return;
          const rows = found.slice(at, at + rowsPerMessage);
          after = rows.at(-1)?.place ?? after;
          const ends = isLast && at + rowsPerMessage >= found.length;
          yield create(ExportLoggedRequestsResponseSchema, {
            data: rows.map((row) => toLoggedRequest(row, zone)),
            nextCursor: toNext(ends ? undefined : after),
          });
        }
        if (isLast) return;
        if (wallMs() - startedMs > deadlineMs) throw tooLong();
      }
    } finally {
      running.delete(accountId);
    }
  };
}

function toNext(place: LogPlace | undefined): string {
  return place === undefined ? "" : encodeCursor(place);
}

function tooMany(): OptamilError {
  const message = "Another export is running: try again when it has ended.";
  return new OptamilError("service_unavailable", message, { retryAfterMs: 5_000 });
}

function tooLong(): OptamilError {
  const message = `The export took longer than ${deadlineMs / 1_000} seconds: go on from its cursor, or export less time at once.`;
  return new OptamilError("service_unavailable", message);
}
