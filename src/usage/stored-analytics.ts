// Analytics over a ClickHouse, in this process or on a server: parameters of the statements, and their rows.
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { LoggedRouteSchema } from "../gen/optamil/v1/analytics_pb.ts";
import { OptamilError } from "../platform/errors.ts";
import type {
  AnalyticsWarehouse,
  Figures,
  FiguresQuestion,
  FiguresRow,
  LoggedDetails,
  LoggedRow,
  RequestsQuestion,
  SavingsRow,
  TimeQuestion,
  UsageDimension,
  UsageFilters,
  UsageOrder,
} from "./analytics.ts";
import { toLines, toRollup } from "./figures-parts.ts";
import type { RollupReach } from "./rollup-reach.ts";
import { readFigures, readStatement, type StatementName } from "./statement.ts";

/** Gives the rows of a statement as lines of JSON. */
export type AskAnalytics = (
  statement: string,
  parameters: Record<string, unknown>,
) => Promise<string>;

/** Bounds of one question: seconds, bytes, rows, threads. It only reads. */
export const analyticsSettings = {
  max_execution_time: 5,
  max_memory_usage: "1000000000",
  max_result_rows: "20000",
  max_threads: 2,
  // All rows of an event lie in one partition.
  do_not_merge_across_partitions_select_final: 1,
  readonly: "1",
} as const;

const columns: Readonly<Record<UsageDimension, string>> = {
  model: "served_model",
  tier: "tier",
  provider: "provider",
  key: "root_key_id",
  tag: "tag",
  outcome: "outcome",
};

const weights: Readonly<Record<UsageOrder, string>> = {
  requests: "all_requests",
  errors: "errors",
  tokens: "tokens",
  credits: "credits",
  provider_cost: "provider_cost",
};

const tierPlaces = ["free", "budget", "mid", "premium", "ultra"] as const;
const lastEventId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Analytics over the statements; `ask` says how to ask, `reachOf` how far rollups reach where there are any. */
export function createAnalytics(
  ask: AskAnalytics,
  reachOf?: (accountId: string) => Promise<RollupReach>,
): AnalyticsWarehouse {
  async function find<Row>(statement: string, parameters: Record<string, unknown>) {
    const lines = (await safely(() => ask(statement, parameters))).split("\n");
    return lines.filter((line) => line !== "").map((line): Row => JSON.parse(line));
  }
  const rows = <Row>(name: StatementName, parameters: Record<string, unknown>) =>
    find<Row>(readStatement(name), parameters);
  return {
    async figures(question) {
      const reach = reachOf && (await safely(() => reachOf(question.accountId)));
      const rollup = reach && toRollup(question, reach);
      const statement = readFigures({
        rows: rollup === undefined || rollup.hasMore,
        sums: rollup !== undefined,
        lines: toLines(question, rollup !== undefined),
      });
      const parameters = { ...toFiguresParameters(question), ...rollup?.parameters };
      return (await find<FiguresColumns>(statement, parameters)).map(toFigures);
    },
    async requests(question) {
      const found = await rows<LoggedColumns>("logged-requests", toLogParameters(question));
      return found.map(toLogged);
    },
    async request(account, request) {
      const [row] = await rows<DetailColumns>("logged-request", { account, request });
      return row && toDetails(row);
    },
    async savings(question) {
      return (await rows<SavingsColumns>("savings", toTimeParameters(question))).map(toSavings);
    },
  };
}

/** What the engine says stays in the log: it names columns and values. */
async function safely<Found>(ask: () => Promise<Found>): Promise<Found> {
  try {
    return await ask();
  } catch (cause) {
    const message =
      "The warehouse cannot answer this now, or not in time: try later, or ask for less time.";
    throw new OptamilError("service_unavailable", message, { cause, retryAfterMs: 5_000 });
  }
}

function toFiguresParameters(question: FiguresQuestion): Record<string, unknown> {
  const { accountId, by, order, groupsMax, previousS, startsS, endS, filters } = question;
  const starts = previousS === undefined ? startsS : [previousS, ...startsS];
  return {
    account: accountId,
    by: by === "none" ? "" : columns[by],
    order: weights[order],
    limit: groupsMax,
    starts,
    first: starts[0] ?? endS,
    from: startsS[0] ?? endS,
    to: endS,
    ...toFilterParameters(filters),
  };
}

function toLogParameters({ limit, after, filters, ...time }: RequestsQuestion) {
  return {
    ...toTimeParameters(time),
    ...toFilterParameters(filters),
    limit,
    cursor_at: String(after?.admittedAtUs ?? toMicros(time.toMs)),
    cursor_event: after?.eventId ?? lastEventId,
  };
}

function toTimeParameters({ accountId, fromMs, toMs }: TimeQuestion) {
  return { account: accountId, from: toMicros(fromMs), to: toMicros(toMs) };
}

function toMicros(atMs: number): string {
  return String(Math.round(atMs * 1_000));
}

function toFilterParameters({ model, tier, provider, key, tag, outcome }: UsageFilters) {
  return {
    models: model,
    tiers: tier,
    providers: provider,
    keys: key,
    tags: tag,
    outcomes: outcome,
  };
}

/** Two quantiles; null where they are of nothing. */
type Quantiles = readonly [number | null, number | null];

type FiguresColumns = {
  readonly part: number;
  readonly previous: number;
  readonly place: number;
  readonly group_name: string;
  readonly bucket: number;
  readonly requests_sum: string;
  readonly refused_sum: string;
  readonly errors_sum: string;
  readonly prompt_tokens_sum: string;
  readonly cached_tokens_sum: string;
  readonly completion_tokens_sum: string;
  readonly credits_micro_sum: string;
  readonly provider_cost_nanousd_sum: string;
  readonly baseline_cost_nanousd_sum: string;
  readonly answers_sum: string;
  readonly ttft_ms: Quantiles;
  readonly duration_ms: Quantiles;
};

function toFigures(row: FiguresColumns): FiguresRow {
  const figures: Figures = {
    requests: BigInt(row.requests_sum),
    refused: BigInt(row.refused_sum),
    errors: BigInt(row.errors_sum),
    promptTokens: BigInt(row.prompt_tokens_sum),
    cachedTokens: BigInt(row.cached_tokens_sum),
    completionTokens: BigInt(row.completion_tokens_sum),
    creditsMicro: BigInt(row.credits_micro_sum),
    providerCostNanousd: BigInt(row.provider_cost_nanousd_sum),
    baselineCostNanousd: BigInt(row.baseline_cost_nanousd_sum),
    answers: BigInt(row.answers_sum),
    ...toQuantile("ttftP50Ms", row.ttft_ms[0]),
    ...toQuantile("ttftP99Ms", row.ttft_ms[1]),
    ...toQuantile("durationP50Ms", row.duration_ms[0]),
    ...toQuantile("durationP99Ms", row.duration_ms[1]),
  };
  const isAll = row.part === allGroups;
  return {
    place: isAll ? 0 : row.place,
    group: isAll ? "" : row.group_name,
    previous: row.previous === 1,
    startS: row.part === oneBucket ? row.bucket : undefined,
    figures,
  };
}

/** What `grouping` says of a row of figures. */
const oneBucket = 0;
const allGroups = 3;

function toQuantile<Name extends string>(name: Name, value: number | null) {
  return value !== null && { [name]: value };
}

type LoggedColumns = {
  readonly id: string;
  readonly request_id: string;
  readonly kind: string;
  readonly outcome: string;
  readonly admitted_at_us: string;
  readonly duration_ms: string;
  readonly ttft_ms: number;
  readonly http_status: number;
  readonly stream: boolean;
  readonly key_id: string;
  readonly root_key_id: string;
  readonly tag: string;
  readonly requested_model: string;
  readonly served_model: string;
  readonly tier: string;
  readonly provider: string;
  readonly prompt_tokens_text: string;
  readonly cached_tokens_text: string;
  readonly completion_tokens_text: string;
  readonly reasoning_tokens_text: string;
  readonly tokens_estimated: boolean;
  readonly credits_micro_text: string;
  readonly provider_cost_nanousd_text: string;
  readonly baseline_cost_nanousd_text: string;
  readonly baseline_model: string;
  readonly attempt_count: number;
  readonly requests_meant: number;
};

function toLogged(row: LoggedColumns): LoggedRow {
  const request = {
    id: row.id,
    requestId: row.request_id,
    kind: row.kind,
    outcome: row.outcome,
    durationMs: BigInt(row.duration_ms),
    ttftMs: row.ttft_ms,
    httpStatus: row.http_status,
    stream: row.stream,
    keyId: row.key_id,
    rootKeyId: row.root_key_id,
    tag: row.tag,
    requestedModel: row.requested_model,
    model: row.served_model,
    tier: row.tier,
    provider: row.provider,
    promptTokens: BigInt(row.prompt_tokens_text),
    cachedTokens: BigInt(row.cached_tokens_text),
    completionTokens: BigInt(row.completion_tokens_text),
    reasoningTokens: BigInt(row.reasoning_tokens_text),
    tokensEstimated: row.tokens_estimated,
    creditsMicro: BigInt(row.credits_micro_text),
    providerCostNanousd: BigInt(row.provider_cost_nanousd_text),
    baselineCostNanousd: BigInt(row.baseline_cost_nanousd_text),
    baselineModel: row.baseline_model,
    attempts: Number(row.attempt_count),
    requestCount: Number(row.requests_meant),
  };
  return { place: { admittedAtUs: BigInt(row.admitted_at_us), eventId: row.id }, request };
}

type DetailColumns = LoggedColumns & {
  readonly attempts: readonly {
    readonly model: string;
    readonly provider: string;
    readonly status: number;
    readonly latency_ms: number;
    readonly error_class: string;
  }[];
  readonly route: string;
  readonly route_weights: string;
  readonly route_quality_ppm: number;
  readonly route_lambda_ppm: number;
  readonly route_need_ppm: number;
  readonly route_chances_ppm: readonly number[];
  readonly route_output_tokens: number;
  readonly ranked: readonly (readonly [string, string, string, string])[];
  readonly route_feasible: number;
  readonly route_propensity_ppm: number;
};

function toDetails(row: DetailColumns): LoggedDetails {
  let startMs = 0n;
  const attempts = row.attempts.map(
    ({ latency_ms: latencyMs, error_class: errorClass, ...one }) => {
      const attempt = { ...one, startMs, latencyMs, errorClass };
      startMs += BigInt(latencyMs);
      return attempt;
    },
  );
  const route = row.ranked.length === 0 ? undefined : toRoute(row);
  return { ...toLogged(row), attempts, ...(route !== undefined && { route }) };
}

function toRoute(row: DetailColumns): MessageInitShape<typeof LoggedRouteSchema> {
  const chances = tierPlaces.map((tier, at) => [tier, fromPpm(row.route_chances_ppm[at] ?? 0)]);
  return {
    explanation: row.route,
    weights: row.route_weights,
    quality: fromPpm(row.route_quality_ppm),
    lambda: fromPpm(row.route_lambda_ppm),
    need: fromPpm(row.route_need_ppm),
    chances: Object.fromEntries(chances),
    outputTokens: row.route_output_tokens,
    ranked: row.ranked.map(([model, tier, worthPpm, nanousd]) => ({
      model,
      tier,
      worth: fromPpm(Number(worthPpm)),
      costNanousd: BigInt(nanousd),
    })),
    feasible: row.route_feasible,
    propensity: fromPpm(row.route_propensity_ppm),
  };
}

function fromPpm(ppm: number): number {
  return ppm / 1_000_000;
}

type SavingsColumns = {
  readonly part: number;
  readonly baseline_model: string;
  readonly answers: string;
  readonly provider_cost_nanousd_sum: string;
  readonly baseline_cost_nanousd_sum: string;
  readonly quality: number | null;
  readonly quality_margin: number | null;
  readonly strongest_quality: number | null;
};

function toSavings(row: SavingsColumns): SavingsRow {
  const { quality, quality_margin: margin, strongest_quality: strongestQuality } = row;
  const providerCostNanousd = BigInt(row.provider_cost_nanousd_sum);
  const baselineCostNanousd = BigInt(row.baseline_cost_nanousd_sum);
  const savings = {
    baselineModel: row.baseline_model,
    answers: BigInt(row.answers),
    providerCostNanousd,
    baselineCostNanousd,
    savedPercent:
      baselineCostNanousd === 0n
        ? 0
        : 100 * (1 - Number(providerCostNanousd) / Number(baselineCostNanousd)),
    ...(quality !== null &&
      margin !== null && {
        quality,
        qualityLow: Math.max(0, quality - margin),
        qualityHigh: Math.min(1, quality + margin),
      }),
    ...(strongestQuality !== null && { strongestQuality }),
  };
  return { all: row.part === 1, savings };
}
