/** A chat use case over real counters and a log that the test can look into. */
import { create } from "@bufbuild/protobuf";
import type { Budget, Limits } from "../../src/admission/counters.ts";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { answer } from "../../src/chat/answer.ts";
import { DeploymentHealth } from "../../src/chat/deployment-health.ts";
import { Meter } from "../../src/chat/meter.ts";
import { ProviderSlots } from "../../src/chat/provider-slots.ts";
import type { RateView } from "../../src/chat/rate.ts";
import { Rejections } from "../../src/chat/rejections.ts";
import { Thresholds } from "../../src/chat/thresholds.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { Cancellation } from "../../src/platform/cancellation.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";
import type { StreamReceiver } from "../../src/providers/provider.ts";
import { openNetwork } from "../../src/router/network.ts";
import { defaultSchedule } from "../../src/usage/charge.ts";
import { nothingUsed } from "../../src/usage/warehouse.ts";
import { type KeptUsageLog, keptUsageLog } from "../fakes/kept-usage-log.ts";
import { RecordingSink } from "../fakes/recording-sink.ts";
import type { ScriptedProvider } from "../fakes/scripted-provider.ts";

const network = openNetwork();

/** How one request differs from an unary one for gpt-5 with one deployment. */
export type Asked = {
  readonly stream?: boolean;
  readonly cancellation?: Cancellation;
  readonly deployments?: number;
};

/** What a test turns and looks at. */
export type MeteringBench = {
  nowMs: number;
  totalMicro: bigint;
  budgets: readonly Budget[] | undefined;
  limits: Limits;
  readonly usageLog: KeptUsageLog;
  readonly shown: RateView[];
  readonly meter: Meter;
  ask(provider: ScriptedProvider, asked?: Asked): { sink: RecordingSink; done: Promise<void> };
  heldMicro(): Promise<bigint>;
};

const accountId = "0190b2c4-0000-7000-8000-000000000001";

/** A bench at 2026-04-10T00:00:01Z with 1,000 credits and wide limits. */
export function createBench(): MeteringBench {
  const usageLog = keptUsageLog();
  const startMs = Date.UTC(2026, 3, 10, 0, 0, 1);
  const clock = { wallMs: () => bench.nowMs, monotonicMs: () => bench.nowMs - startMs };
  const version = { epoch: 0, offset: 0 };
  const counters = new MemoryCounters({
    clock,
    loadBase: () => ({ baseByTierMicro: nothingUsed, version, pending: [] }),
  });
  const meter = new Meter({
    counters,
    usageLog,
    clock,
    uuids: createUuidSource(clock),
    schedule: defaultSchedule,
    baselineOf: () => undefined,
    entitlementOf: () => ({
      limits: bench.limits,
      totalMicro: bench.totalMicro,
      overdraftMicro: 0n,
    }),
    spendingOf: ({ keyId }) => ({ rootKeyId: keyId, budgets: bench.budgets }),
    rejections: new Rejections(usageLog, () => {}),
    thresholds: new Thresholds({
      usageLog,
      onReached: () => {},
      onError: () => {},
      wallMs: clock.wallMs,
    }),
  });
  const bench: MeteringBench = {
    nowMs: startMs,
    totalMicro: 1_000_000_000n,
    budgets: undefined,
    limits: { requestsPerMinute: 1_000, requestsPerDay: 10_000, tokensPerMinute: 1_000_000 },
    usageLog,
    shown: [],
    meter,
    ask(provider, { stream = false, cancellation = new Cancellation(), deployments = 1 } = {}) {
      const sink = new RecordingSink();
      const row = {
        model: "gpt-5",
        provider: provider.name,
        upstreamModel: "gpt-5",
        weight: 1,
        live: true,
      };
      const done = answer(
        {
          requestId: "request-1",
          caller: {
            accountId,
            keyId: "0190b2c4-0000-7000-8000-000000000002",
            plan: "business",
            scopes: ["chat"],
            models: undefined,
            expiresAt: 4_000_000_000,
          },
          request: create(CreateChatCompletionRequestSchema, {
            model: "gpt-5",
            messages: [{ role: "user", content: { kind: { case: "text", value: "Hello" } } }],
          }),
          body: undefined,
          stream,
          cancellation,
          receivedAtMs: clock.monotonicMs(),
          timeoutMs: 60_000,
          idempotencyKey: undefined,
          showRate: (view) => bench.shown.push(view),
        },
        sink,
        {
          catalogue: createCatalogue(),
          deployments: new Map([
            ["gpt-5", Array.from({ length: deployments }, () => ({ ...row }))],
          ]),
          providers: new Map([[provider.name, provider]]),
          meter,
          clock,
          network,
          health: new DeploymentHealth({ clock }),
          slots: new ProviderSlots(),
          pingAfterMs: 15_000,
        },
      );
      // A test that looks at the refusal does so later.
      done.catch(() => undefined);
      return { sink, done };
    },
    heldMicro: async () => (await counters.usage(accountId, bench.totalMicro)).heldMicro,
  };
  return bench;
}

/** The receiver of a provider's newest stream, once it runs and what was to happen at once has happened. */
export async function receiverOf(provider: ScriptedProvider): Promise<StreamReceiver> {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  const receiver = provider.receivers.at(-1);
  if (receiver === undefined) throw new Error("no stream was started");
  return receiver;
}
