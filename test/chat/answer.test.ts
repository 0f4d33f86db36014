import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MemoryCounters } from "../../src/admission/memory.ts";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { answer, type ChatParts } from "../../src/chat/answer.ts";
import type { ChatCall } from "../../src/chat/call.ts";
import { DeploymentHealth } from "../../src/chat/deployment-health.ts";
import { Meter } from "../../src/chat/meter.ts";
import { ProviderSlots } from "../../src/chat/provider-slots.ts";
import type { RateView } from "../../src/chat/rate.ts";
import { Rejections } from "../../src/chat/rejections.ts";
import { Thresholds } from "../../src/chat/thresholds.ts";
import { setAnswerHeaders } from "../../src/gateway/headers.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { Cancellation } from "../../src/platform/cancellation.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";
import type { Deployment } from "../../src/providers/deployment.ts";
import type { ProviderFailure, StreamReceiver } from "../../src/providers/provider.ts";
import { openNetwork } from "../../src/router/network.ts";
import { defaultSchedule } from "../../src/usage/charge.ts";
import { nothingUsed } from "../../src/usage/warehouse.ts";
import { keptUsageLog } from "../fakes/kept-usage-log.ts";
import { chunk, RecordingSink } from "../fakes/recording-sink.ts";
import {
  completion,
  failure,
  type ScriptedProvider,
  scriptedProvider,
} from "../fakes/scripted-provider.ts";

const network = openNetwork();

type Told = { sink: RecordingSink; call: ChatCall; done: Promise<void> };

let nowMs = 1_000;
const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs };

function deployment(provider: string, model = "gpt-5", weight = 1): Deployment {
  return { model, provider, upstreamModel: `${provider}/${model}`, weight, live: true };
}

function parts(providers: ScriptedProvider[], deployments?: Deployment[]): ChatParts {
  const all = deployments ?? providers.map(({ name }) => deployment(name));
  return {
    meter: createMeter(),
    catalogue: createCatalogue(),
    deployments: Map.groupBy(all, ({ model }) => model),
    providers: new Map(providers.map((provider) => [provider.name, provider])),
    clock,
    network,
    health: new DeploymentHealth({ clock }),
    slots: new ProviderSlots(),
    pingAfterMs: 15_000,
  };
}

const perMinute = { requestsPerMinute: 1_000, requestsPerDay: 10_000, tokensPerMinute: 1_000_000 };

let usageLog = keptUsageLog();
let shown: RateView[] = [];
let totalMicro = 1_000_000_000n;

function createMeter(): Meter {
  const version = { epoch: 0, offset: 0 };
  const loadBase = () => ({ baseByTierMicro: nothingUsed, version, pending: [] });
  return new Meter({
    counters: new MemoryCounters({ clock, loadBase }),
    usageLog,
    clock,
    uuids: createUuidSource(clock),
    schedule: defaultSchedule,
    baselineOf: () => undefined,
    entitlementOf: () => ({ limits: perMinute, totalMicro, overdraftMicro: 0n }),
    spendingOf: ({ keyId }) => ({ rootKeyId: keyId, budgets: undefined }),
    rejections: new Rejections(usageLog, () => {}),
    thresholds: new Thresholds({
      usageLog,
      onReached: () => {},
      onError: () => {},
      wallMs: clock.wallMs,
    }),
  });
}

/** What a deployment says that takes no more for a while: "one" for 3 seconds, others for 9. */
function limited(name: string): ProviderFailure {
  const retryAfterMs = name === "one" ? 3_000 : 9_000;
  const error = new OptamilError("service_unavailable", "limited", { retryAfterMs });
  return { ok: false, error, status: 429, errorClass: "http_429", tryNext: true };
}

const keyCaller: ChatCall["caller"] = {
  accountId: "account-1",
  keyId: "key-1",
  plan: "business",
  scopes: ["chat"],
  models: undefined,
  expiresAt: 4_000_000_000,
};

function ask(
  chatParts: ChatParts,
  change: Partial<ChatCall> & { model?: string; user?: string } = {},
): Told {
  const sink = new RecordingSink();
  const call: ChatCall = {
    requestId: "request-1",
    caller: keyCaller,
    request: create(CreateChatCompletionRequestSchema, {
      model: change.model ?? "gpt-5",
      messages: [{ role: "user", content: { kind: { case: "text", value: "Hello" } } }],
      ...(change.user !== undefined && { user: change.user }),
    }),
    body: undefined,
    stream: false,
    cancellation: new Cancellation(),
    receivedAtMs: 990,
    timeoutMs: 60_000,
    idempotencyKey: undefined,
    showRate: (view) => shown.push(view),
    ...change,
  };
  return { sink, call, done: answer(call, sink, chatParts) };
}

/** The receiver of a provider's first stream, once it runs and its admission is recorded. */
async function receiverOf(provider: ScriptedProvider): Promise<StreamReceiver> {
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  const [receiver] = provider.receivers;
  if (receiver === undefined) throw new Error("no stream was started");
  return receiver;
}

beforeEach(() => {
  nowMs = 1_000;
  usageLog = keptUsageLog();
  shown = [];
  totalMicro = 1_000_000_000n;
});

describe("the model that was asked for", () => {
  it("is asked for at its provider under the provider's name", async () => {
    const provider = scriptedProvider("one", [completion("answer-1")]);
    const { sink, done } = ask(parts([provider]));
    await done;
    expect(sink.told).toEqual(["head gpt-5 one", "message answer-1"]);
    expect(provider.calls).toMatchObject([
      { model: "gpt-5", upstreamModel: "one/gpt-5", form: "messages", timeoutMs: 59_990 },
    ]);
    expect(sink.heads).toMatchObject([{ tier: "premium", overheadMs: 10, route: undefined }]);
  });

  it("must exist", async () => {
    const { done, sink } = ask(parts([scriptedProvider("one")]), { model: "gpt-9" });
    await expect(done).rejects.toMatchObject({ code: "model_not_found", param: "model" });
    expect(sink.told).toEqual([]);
  });

  it("must be on the key's list", async () => {
    const { call, ...rest } = ask(parts([scriptedProvider("one", [completion("a")])]));
    await rest.done;
    const caller = { ...call.caller, models: ["gpt-4.1"] };
    const { done } = ask(parts([scriptedProvider("one")]), { caller });
    await expect(done).rejects.toMatchObject({ code: "permission_denied", param: "model" });
  });

  it("must have a provider; only an admin is told what is missing", async () => {
    const chatParts = parts([scriptedProvider("one")], [deployment("one", "gpt-4.1")]);
    const { call, done } = ask(chatParts);
    const refusal = await done.catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: "service_unavailable",
      shouldRetry: false,
      message: "The model 'gpt-5' is not configured on this gateway.",
    });
    const admin = { ...call.caller, scopes: ["chat", "admin"] };
    await expect(ask(chatParts, { caller: admin }).done).rejects.toThrow("provider 'openai'");
  });
});

describe("parameters that the model's API cannot be told", () => {
  it("are named in the head of an answer", async () => {
    const answered = { ...completion("answer-1"), dropped: ["logit_bias", "seed"] };
    const { sink, done } = ask(parts([scriptedProvider("one", [answered])]));
    await done;
    expect(sink.heads).toMatchObject([{ dropped: ["logit_bias", "seed"] }]);
    const headers = new Map<string, string>();
    for (const head of sink.heads)
      setAnswerHeaders(head, (name, value) => headers.set(name, value));
    expect(headers.get("x-optamil-dropped-params")).toBe("logit_bias,seed");
  });

  it("are named in the head of a stream", async () => {
    const provider = scriptedProvider("one");
    const { stream } = provider;
    provider.stream = (...call) => ({ ...stream(...call), dropped: ["seed"] });
    const { sink, done } = ask(parts([provider]), { stream: true });
    const receiver = await receiverOf(provider);
    receiver.onChunks([chunk("1")]);
    receiver.onEnd(undefined);
    await done;
    expect(sink.heads).toMatchObject([{ dropped: ["seed"] }]);
  });
});

describe("model auto", () => {
  it("goes to the router's choice among the models that have a deployment, with the reasons", async () => {
    const provider = scriptedProvider("one", [completion("answer-1")]);
    const chatParts = parts(
      [provider],
      [deployment("one", "gpt-5"), deployment("one", "llama-3.3-70b")],
    );
    const { sink, done } = ask(chatParts, { model: "auto", quality: 0 });
    await done;
    expect(sink.heads).toMatchObject([
      {
        model: "llama-3.3-70b",
        tier: "free",
        route: expect.stringMatching(
          /^scorer=neural; quality=0\.00; .*tier=free; .*runner-up=gpt-5; .*feasible=2$/,
        ),
      },
    ]);
  });

  it("keeps to the models that the caller's key names beside auto", async () => {
    const provider = scriptedProvider("one", [completion("answer-1")]);
    const chatParts = parts(
      [provider],
      [deployment("one", "gpt-5"), deployment("one", "llama-3.3-70b")],
    );
    const caller = { ...keyCaller, models: ["auto", "gpt-5"] };
    const { sink, done } = ask(chatParts, { model: "auto", quality: 0, caller });
    await done;
    expect(sink.heads).toMatchObject([
      { model: "gpt-5", route: expect.stringMatching(/feasible=1$/) },
    ]);
  });

  it("falls back to the runner-up when the choice fails", async () => {
    const provider = scriptedProvider("one", [failure("http_5xx"), completion("answer-2")]);
    const chatParts = parts(
      [provider],
      [deployment("one", "gpt-5"), deployment("one", "llama-3.3-70b")],
    );
    const { sink, done } = ask(chatParts, { model: "auto" });
    await done;
    expect(sink.told).toEqual(["head llama-3.3-70b one", "message answer-2"]);
  });
});

describe("failover", () => {
  it("tries the next deployment, and counts no upstream's time as overhead", async () => {
    const one = scriptedProvider("one", [failure("connect")]);
    const complete = one.complete;
    one.complete = (call) => {
      nowMs += 5_000;
      return complete(call);
    };
    const two = scriptedProvider("two", [completion("answer-2")]);
    const { sink, done } = ask(parts([one, two]));
    await done;
    expect(sink.told).toEqual(["head gpt-5 two", "message answer-2"]);
    expect(sink.heads).toMatchObject([{ overheadMs: 10 }]);
    expect(two.calls).toMatchObject([{ timeoutMs: 54_990 }]);
  });

  it("answers all of 1,000 requests beside a deployment that always fails, and hardly asks that one", async () => {
    const names = ["well", "flapping", "other"];
    const seen = new Map(names.map((name) => [name, 0]));
    const providers = names.map((name) => ({
      ...scriptedProvider(name),
      complete: async () => {
        seen.set(name, (seen.get(name) ?? 0) + 1);
        return name === "flapping" ? failure("http_5xx") : completion("answer");
      },
    }));
    const chatParts = parts(providers);
    for (let number = 0; number < 1_000; number += 1) {
      nowMs += 10;
      const { sink, done } = ask(chatParts, { user: `user-${number}` });
      await done;
      expect(sink.told.at(-1)).toBe("message answer");
    }
    // Five until it is left alone, then one in each rest: 2, 4 and 8 seconds of ten.
    expect(seen.get("flapping")).toBe(7);
    expect(seen.get("well")).toBeGreaterThan(400);
  });

  it("asks nobody while all are left alone, and says when the first of them may be asked", async () => {
    const [one, two] = ["one", "two"].map((name) => scriptedProvider(name, [limited(name)]));
    const chatParts = parts([one, two].filter((provider) => provider !== undefined));
    await expect(ask(chatParts).done).rejects.toMatchObject({ code: "service_unavailable" });
    nowMs += 500;
    await expect(ask(chatParts).done).rejects.toMatchObject({
      code: "service_unavailable",
      retryAfterMs: 2_500,
      message: "The model is temporarily unavailable.",
    });
    await expect(ask(chatParts, { model: "auto" }).done).rejects.toMatchObject({
      retryAfterMs: 2_500,
    });
    expect([one?.calls.length, two?.calls.length]).toEqual([1, 1]);
  });

  it("asks nobody else once the time for the whole answer is over", async () => {
    const one = scriptedProvider("one");
    one.complete = async () => {
      nowMs += 59_990;
      return failure("timeout");
    };
    const two = scriptedProvider("two", [completion("answer-2")]);
    const { done } = ask(parts([one, two]), { user: "user-of-one" });
    await expect(done).rejects.toMatchObject({ code: "service_unavailable" });
    expect(two.calls).toEqual([]);
  });

  it("waits for the deployment that takes every parameter, for a key that rejects the others", async () => {
    const asked = { one: 0, two: 0 };
    const one: ScriptedProvider = {
      ...scriptedProvider("one", [limited("one")]),
      untold: () => {
        asked.one += 1;
        return [];
      },
    };
    const two: ScriptedProvider = {
      ...scriptedProvider("two"),
      untold: () => {
        asked.two += 1;
        return ["seed"];
      },
    };
    const chatParts = parts([one, two]);
    const rejecting = { caller: { ...keyCaller, parameterPolicy: "reject" as const } };
    await expect(ask(chatParts, rejecting).done).rejects.toMatchObject({ retryAfterMs: 3_000 });
    expect(asked).toEqual({ one: 1, two: 1 });
    nowMs += 500;
    for (const model of ["gpt-5", "auto"]) {
      const { done } = ask(chatParts, { ...rejecting, model });
      await expect(done).rejects.toMatchObject({ retryAfterMs: 2_500 });
    }
    expect([one.calls.length, two.calls.length]).toEqual([1, 0]);
  });

  it("asks another deployment while the first one's provider has no slot left", async () => {
    const [one, two] = [scriptedProvider("one"), scriptedProvider("two", [completion("answer-2")])];
    const rows = [deployment("one"), deployment("two")].map((row) => ({
      ...row,
      maxConcurrent: 1,
    }));
    const chatParts = { ...parts([one, two], rows), slots: new ProviderSlots({ waitMsMax: 0 }) };
    const first = ask(chatParts, { stream: true, user: "user-of-one" });
    const receiver = await receiverOf(one);
    const second = ask(chatParts, { user: "user-of-one" });
    await second.done;
    expect(second.sink.told).toEqual(["head gpt-5 two", "message answer-2"]);
    receiver.onChunks([chunk("1")]);
    receiver.onEnd(undefined);
    await first.done;
    one.complete = async () => completion("answer-3");
    const third = ask(chatParts, { user: "user-of-one" });
    await third.done;
    expect(third.sink.told).toEqual(["head gpt-5 one", "message answer-3"]);
  });

  it("counts a stream that breaks after its first event against its deployment", async () => {
    const one = scriptedProvider("one");
    const chatParts = parts([one]);
    for (let round = 0; round < 5; round += 1) {
      one.receivers.length = 0;
      const { done } = ask(chatParts, { stream: true });
      const receiver = await receiverOf(one);
      receiver.onChunks([chunk("1")]);
      receiver.onFailure(failure("cut"));
      await done;
    }
    await expect(ask(chatParts).done).rejects.toMatchObject({ retryAfterMs: 2_000 });
  });

  it("stops at a failure that is the request's own fault", async () => {
    const two = scriptedProvider("two", [completion("answer-2")]);
    const chatParts = parts([scriptedProvider("one", [failure("http_400", false)]), two]);
    await expect(ask(chatParts).done).rejects.toMatchObject({ code: "invalid_request" });
    expect(two.calls).toEqual([]);
  });

  it("stops when nobody waits any more", async () => {
    const cancellation = new Cancellation();
    const one = scriptedProvider("one", [failure("cancelled")]);
    const { complete } = one;
    one.complete = (call) => {
      cancellation.cancel("client_closed");
      return complete(call);
    };
    const two = scriptedProvider("two", [completion("answer-2")]);
    await expect(ask(parts([one, two]), { cancellation }).done).rejects.toThrow("cancelled");
    expect(two.calls).toEqual([]);
  });

  it("tells the last failure when every candidate failed", async () => {
    const providers = [
      scriptedProvider("one", [failure("first")]),
      scriptedProvider("two", [failure("second")]),
    ];
    await expect(ask(parts(providers)).done).rejects.toThrow("second");
  });
});

describe("a stream", () => {
  it("sends the head with the first event, and ends after the provider's end", async () => {
    const provider = scriptedProvider("one");
    const { sink, done } = ask(parts([provider]), { stream: true });
    const receiver = await receiverOf(provider);
    expect(sink.told).toEqual([]);
    receiver.onChunks([chunk("1"), chunk("2")]);
    receiver.onEnd(undefined);
    await done;
    expect(sink.told).toEqual(["head gpt-5 one", "chunk 1", "chunk 2", "end 1000000"]);
  });

  it("tries the next deployment when it breaks before its first event", async () => {
    const [one, two] = [scriptedProvider("one"), scriptedProvider("two")];
    const { sink, done } = ask(parts([one, two]), { stream: true });
    (await receiverOf(one)).onFailure(failure("cut"));
    const second = await receiverOf(two);
    second.onChunks([chunk("1")]);
    second.onEnd(undefined);
    await done;
    expect(sink.told).toEqual(["head gpt-5 two", "chunk 1", "end 1000000"]);
  });

  it("ends in an error frame when it breaks after its first event", async () => {
    const [one, two] = [scriptedProvider("one"), scriptedProvider("two")];
    const { sink, done } = ask(parts([one, two]), { stream: true });
    const receiver = await receiverOf(one);
    receiver.onChunks([chunk("1")]);
    receiver.onFailure(failure("cut"));
    await done;
    expect(sink.told).toEqual(["head gpt-5 one", "chunk 1", "fail service_unavailable"]);
    expect(two.calls).toEqual([]);
  });

  it("pauses the provider while the client is full and resumes it when there is room", async () => {
    const provider = scriptedProvider("one");
    const { sink, done } = ask(parts([provider]), { stream: true });
    sink.roomLeft = false;
    const receiver = await receiverOf(provider);
    receiver.onChunks([chunk("1")]);
    expect(provider.steering).toEqual(["pause"]);
    sink.onDrain?.();
    expect(provider.steering).toEqual(["pause", "resume"]);
    receiver.onEnd(undefined);
    await done;
  });
});

describe("a silent provider", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is bridged by the head and a ping after each quiet interval, until events come", async () => {
    const provider = scriptedProvider("one");
    const { sink, done } = ask(parts([provider]), { stream: true });
    const receiver = await receiverOf(provider);
    vi.advanceTimersByTime(14_999);
    expect(sink.told).toEqual([]);
    vi.advanceTimersByTime(15_001);
    expect(sink.told).toEqual(["head gpt-5 one", "ping", "ping"]);
    receiver.onChunks([chunk("1")]);
    vi.advanceTimersByTime(15_000);
    expect(sink.told.slice(3)).toEqual(["chunk 1"]);
    receiver.onEnd(undefined);
    await done;
    vi.advanceTimersByTime(60_000);
    expect(sink.told.slice(3)).toEqual(["chunk 1", "end 1000000"]);
  });
});
