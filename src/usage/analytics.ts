// The port of analytics: what accounts ask about their own usage, and what the warehouse finds.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  GetLoggedRequestResponseSchema,
  LoggedRequest,
  SavingsSchema,
  UsageFiguresSchema,
} from "../gen/optamil/v1/analytics_pb.ts";

/** Answers about one account at a time. Bounded in time, memory and rows; throws `service_unavailable` beyond. */
export interface AnalyticsWarehouse {
  /** Sums by group and bucket. */
  figures(question: FiguresQuestion): Promise<readonly FiguresRow[]>;
  /** A page of the log, newest first. */
  requests(question: RequestsQuestion): Promise<readonly LoggedRow[]>;
  /** The newest request with that id, or with that id of its event; undefined: the account has none. */
  request(accountId: string, requestId: string): Promise<LoggedDetails | undefined>;
  /** By baseline, most answers first, 100 at most, and all together; empty: there are no answers. */
  savings(question: TimeQuestion): Promise<readonly SavingsRow[]>;
}

/** What is asked, as a value that can be sent. */
export type AnalyticsQuestion =
  | { readonly kind: "figures"; readonly asked: FiguresQuestion }
  | { readonly kind: "requests"; readonly asked: RequestsQuestion }
  | { readonly kind: "request"; readonly asked: RequestQuestion }
  | { readonly kind: "savings"; readonly asked: TimeQuestion };

/** What is found, of the same kind. */
export type AnalyticsAnswer =
  | { readonly kind: "figures"; readonly found: readonly FiguresRow[] }
  | { readonly kind: "requests"; readonly found: readonly LoggedRow[] }
  | { readonly kind: "request"; readonly found: LoggedDetails | undefined }
  | { readonly kind: "savings"; readonly found: readonly SavingsRow[] };

/** Whatever makes a group. */
export const usageDimensions = ["model", "tier", "provider", "key", "tag", "outcome"] as const;

/** What makes a group. */
export type UsageDimension = (typeof usageDimensions)[number];

/** What makes a group great. */
export type UsageOrder = "requests" | "errors" | "tokens" | "credits" | "provider_cost";

/** For each dimension the values of which any will do; none: all do. */
export type UsageFilters = Readonly<Record<UsageDimension, readonly string[]>>;

/** Whose usage of which time. */
export type TimeQuestion = {
  readonly accountId: string;
  /** Unix milliseconds, the latter excluded. */
  readonly fromMs: number;
  readonly toMs: number;
};

/** Which sums. */
export type FiguresQuestion = {
  readonly accountId: string;
  readonly filters: UsageFilters;
  readonly by: UsageDimension | "none";
  readonly order: UsageOrder;
  /** Groups that are told apart; all others are one. */
  readonly groupsMax: number;
  /** Start of what lies before the buckets, to compare with; undefined: nothing. Unix seconds, as are the next two. */
  readonly previousS: number | undefined;
  /** Starts of the buckets in order; at least one. */
  readonly startsS: readonly number[];
  readonly endS: number;
};

/** Sums of requests. */
export type Figures = MessageInitShape<typeof UsageFiguresSchema>;

/** Sums of one group, of the others together, or of all. */
export type FiguresRow = {
  /** From 1, greatest first; the number after the last one: the others together; 0: all groups. */
  readonly place: number;
  /** Empty for what has no name. */
  readonly group: string;
  /** Whether it is the time before the buckets. */
  readonly previous: boolean;
  /** Start of the bucket, Unix seconds; undefined: all buckets together. */
  readonly startS: number | undefined;
  readonly figures: Figures;
};

/** Which part of the log. */
export type RequestsQuestion = TimeQuestion & {
  readonly filters: UsageFilters;
  readonly limit: number;
  /** Go on after this one. */
  readonly after: LogPlace | undefined;
};

/** A place in the log. */
export type LogPlace = {
  /** Unix microseconds. */
  readonly admittedAtUs: bigint;
  readonly eventId: string;
};

/** Which request. */
export type RequestQuestion = { readonly accountId: string; readonly requestId: string };

/** A request as it counts, and its place in the log. */
export type LoggedRow = {
  readonly place: LogPlace;
  readonly request: Omit<LoggedRequest, "$typeName" | "$unknown" | "admittedAt">;
};

/** A request with everything that is known of it. */
export type LoggedDetails = LoggedRow &
  Pick<MessageInitShape<typeof GetLoggedRequestResponseSchema>, "attempts" | "route">;

/** What was saved against a baseline, or against all of them. */
export type SavingsRow = {
  readonly all: boolean;
  readonly savings: MessageInitShape<typeof SavingsSchema>;
};

/** Answers a question by its kind, where it was sent to. */
export async function findAnswer(
  warehouse: AnalyticsWarehouse,
  question: AnalyticsQuestion,
): Promise<AnalyticsAnswer> {
  const { kind, asked } = question;
  switch (kind) {
    case "figures":
      return { kind, found: await warehouse.figures(asked) };
    case "requests":
      return { kind, found: await warehouse.requests(asked) };
    case "request":
      return { kind, found: await warehouse.request(asked.accountId, asked.requestId) };
    case "savings":
      return { kind, found: await warehouse.savings(asked) };
  }
}
