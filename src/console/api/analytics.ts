// Questions to the warehouse: figures over time, the greatest users, single requests, what routing saved.
import { createClient } from "@connectrpc/connect";
import { AnalyticsService, type UsageFigures } from "../../gen/optamil/v1/analytics_pb.ts";
import { KeyService } from "../../gen/optamil/v1/keys_pb.ts";
import { transport } from "./transport.ts";

/** The client of AnalyticsService. */
export const analyticsClient = createClient(AnalyticsService, transport);

const keyClient = createClient(KeyService, transport);

/** A time to look at. */
export type Range = {
  readonly name: string;
  readonly granularity: "hour" | "day" | "month";
  /** Its first moment, RFC 3339, as seen from a moment. */
  readonly from: (now: Date) => string;
};

const dayMs = 86_400_000;
const daysBefore = (days: number) => (now: Date) =>
  new Date(now.getTime() - days * dayMs).toISOString();

/** The times that can be looked at. */
export const ranges: Readonly<Record<string, Range>> = {
  day: { name: "Last 24 hours", granularity: "hour", from: daysBefore(1) },
  week: { name: "Last 7 days", granularity: "day", from: daysBefore(7) },
  month: { name: "Last 31 days", granularity: "day", from: daysBefore(31) },
  year: { name: "Last 12 months", granularity: "month", from: daysBefore(365) },
};

/** The reader's time zone. */
export const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** What of the figures is shown over time. */
export const measures = {
  credits: {
    name: "Credits",
    of: ({ creditsMicro }: UsageFigures) => Number(creditsMicro) / 1_000_000,
  },
  requests: { name: "Requests", of: ({ requests }: UsageFigures) => Number(requests) },
  tokens: {
    name: "Tokens",
    of: (figures: UsageFigures) => Number(figures.promptTokens + figures.completionTokens),
  },
  errors: { name: "Errors", of: ({ errors }: UsageFigures) => Number(errors) },
  cost: {
    name: "Providers' list price, US$",
    of: ({ providerCostNanousd }: UsageFigures) => Number(providerCostNanousd) / 1e9,
  },
} as const;

/** Name of a measure. */
export type MeasureName = keyof typeof measures;

/** Names of the account's keys by id; none where they may not be read. */
export async function loadKeyNames(signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  const { data } = await keyClient.listKeys({}, { signal }).catch(() => ({ data: [] }));
  return new Map(data.map(({ id, name }) => [id, name]));
}

/** What a group is called: a key by its name, what has none by that. */
export function nameOfGroup(by: string, group: string, keys: ReadonlyMap<string, string>): string {
  if (group === "") return by === "tag" ? "no tag" : by === "outcome" ? "refund" : "none";
  return by === "key" ? (keys.get(group) ?? `…${group.slice(-6)}`) : group;
}
