// Part of the composition root: the services that are served, and the doors in front of them.
import type { DescService } from "@bufbuild/protobuf";
import { admitFeedback, admitRead, currentRate } from "./chat/reads.ts";
import { createDoor } from "./gateway/door.ts";
import type { MethodEntry } from "./gateway/exchange.ts";
import { createHealth } from "./gateway/health.ts";
import type { DoorHandler } from "./gateway/listen.ts";
import { createObserver } from "./gateway/observe.ts";
import { createOpenApi } from "./gateway/openapi.ts";
import { createPages, type PageParts } from "./gateway/pages.ts";
import type { Rates } from "./gateway/rate-headers.ts";
import { createReflection } from "./gateway/reflection.ts";
import { createRequestMetrics } from "./gateway/request-metrics.ts";
import { createRestDoor } from "./gateway/rest.ts";
import { createRpcDoor } from "./gateway/rpc-door.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AccountService } from "./gen/optamil/v1/accounts_pb.ts";
import { AdminService } from "./gen/optamil/v1/admin_pb.ts";
import { AnalyticsService } from "./gen/optamil/v1/analytics_pb.ts";
import { BudgetService } from "./gen/optamil/v1/budgets_pb.ts";
import { ChatService } from "./gen/optamil/v1/chat_pb.ts";
import { ContentService } from "./gen/optamil/v1/content_pb.ts";
import { EmbeddingService } from "./gen/optamil/v1/embeddings_pb.ts";
import { FeedbackService } from "./gen/optamil/v1/feedback_pb.ts";
import { KeyService } from "./gen/optamil/v1/keys_pb.ts";
import { MessageService } from "./gen/optamil/v1/messages_pb.ts";
import { ModelService } from "./gen/optamil/v1/models_pb.ts";
import { ResponseService } from "./gen/optamil/v1/responses_pb.ts";
import { RouterService } from "./gen/optamil/v1/router_pb.ts";
import { UsageService } from "./gen/optamil/v1/usage_pb.ts";
import type { Accounts } from "./main-accounts.ts";
import type { Metering } from "./main-metering.ts";
import { Attempts } from "./platform/attempts.ts";
import { systemClock } from "./platform/clock.ts";
import type { OptamilError } from "./platform/errors.ts";
import type { Log } from "./platform/log.ts";
import type { Metrics } from "./platform/metrics.ts";
import type { OtlpExporter } from "./platform/otlp.ts";
import type { Settings } from "./platform/settings.ts";
import { createUuidSource, type UuidSource } from "./platform/uuid.ts";

/** Version of the program. */
export const version = "0.1.0";

/** Services of the protocol itself, open to everybody. */
const protocolServices: readonly DescService[] = [Health, ServerReflection, ServerReflectionAlpha];

/** The services that this gateway serves, over REST and RPC. */
const servedServices: readonly DescService[] = [
  ChatService,
  MessageService,
  ResponseService,
  EmbeddingService,
  FeedbackService,
  ModelService,
  KeyService,
  AccountService,
  AdminService,
  UsageService,
  AnalyticsService,
  BudgetService,
  ContentService,
  RouterService,
];

/** What changes while the doors are open. */
export type DoorState = { publicUrl: string; readonly stopping: AbortController };

/** What the doors stand on. */
export type DoorParts = {
  readonly entries: readonly MethodEntry[];
  readonly settings: Settings;
  readonly accounts: Accounts;
  readonly rates: Rates;
  readonly config: PageParts["config"];
  readonly degraded: PageParts["degraded"];
  readonly console: PageParts["console"];
  readonly log: Log;
  /** What is shown of this process and those beside it. */
  readonly metrics: PageParts["metrics"];
  /** Where its own requests are counted. */
  readonly ownMetrics: Metrics;
  /** Where spans go; undefined: nowhere. */
  readonly exporter: OtlpExporter | undefined;
  readonly state: DoorState;
};

/** The doors in front of the methods: REST and RPC behind one handler. */
export function createDoors(parts: DoorParts): DoorHandler {
  const { entries, settings, accounts, rates, log, metrics, state } = parts;
  const services = servedServices;
  const clock = systemClock;
  const stopping = state.stopping.signal;
  const ready = () => !stopping.aborted;
  const onChange = (listener: () => void) => {
    stopping.addEventListener("abort", listener);
    return () => stopping.removeEventListener("abort", listener);
  };
  const { bodyBytesMax, answerTimeoutMs, failedAuthPerMinute: perMinuteMax } = settings.limits;
  const common = {
    entries,
    rates,
    gate: { verify: accounts.verify, failures: new Attempts({ perMinuteMax, clock }) },
    clock,
    bodyBytesMax,
    answerTimeoutMs,
    onError: (error: OptamilError, requestId: string) =>
      log.error({ request_id: requestId, cause: describeCause(error) }, "internal error"),
  };
  const uuids = createUuidSource(clock);
  return createDoor({
    rest: createRestDoor({
      ...common,
      pages: createPages({
        ready,
        degraded: parts.degraded,
        config: parts.config,
        openApi: createServedOpenApi(settings.publicUrl || "/"),
        jwks: accounts.jwks,
        publicUrl: () => state.publicUrl,
        console: parts.console,
        metrics,
      }),
    }),
    rpc: createRpcDoor({
      ...common,
      register: [
        createHealth({ services, readiness: { ready, onChange }, stopping }),
        createReflection([...services, Health]),
      ],
    }),
    rpcServices: [...services, ...protocolServices].map(({ typeName }) => typeName),
    corsOrigins: settings.corsOrigins,
    clock,
    sampleShare: settings.telemetry?.sampleShare,
    observe: createObserver({
      log,
      metrics: createRequestMetrics(parts.ownMetrics),
      exporter: parts.exporter,
      clock,
    }),
    createRequestId: () => uuids.text(),
  });
}

/** The OpenAPI document of the services, for a server at a URL. */
export function createServedOpenApi(serverUrl: string) {
  return createOpenApi(servedServices, { serverUrl, version });
}

/** The counters as the doors see them, and what gives feedback. */
export type FreeRates = Rates & { readonly admitFeedback: Rates["admitRead"] };

/** Counts what is free of charge. */
export function createRates({ counters, entitlement }: Metering, uuids: UuidSource): FreeRates {
  const reads = { counters, uuids, entitlementOf: entitlement };
  return {
    admitRead: (caller, showRate) => admitRead(caller, showRate, reads),
    admitFeedback: (caller, showRate) => admitFeedback(caller, showRate, reads),
    current: (caller) => currentRate(caller, reads),
  };
}

function describeCause({ cause }: OptamilError): string | undefined {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
