import { create } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it } from "vitest";
import { ChatUsageSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { EventKind, Outcome, Tier } from "../../src/gen/optamil/v1/event_pb.ts";
import { Cancellation } from "../../src/platform/cancellation.ts";
import { chunk } from "../fakes/recording-sink.ts";
import { completion, failure, scriptedProvider } from "../fakes/scripted-provider.ts";
import { createBench, type MeteringBench, receiverOf } from "./metering-bench.ts";

const usage = create(ChatUsageSchema, { promptTokens: 10, completionTokens: 20, totalTokens: 30 });

let bench: MeteringBench;

beforeEach(() => {
  bench = createBench();
});

describe("an answer in one piece", () => {
  it("leaves one event with tokens, charge, cost and the tier that served, before it goes out", async () => {
    const provider = scriptedProvider("one", [{ ...completion("a"), usage }]);
    const { sink, done } = bench.ask(provider);
    await done;
    expect(bench.usageLog.holds).toHaveLength(1);
    expect(bench.usageLog.events).toMatchObject([
      {
        rev: 1,
        kind: EventKind.REQUEST,
        outcome: Outcome.OK,
        requestedModel: "gpt-5",
        servedModel: "gpt-5",
        tier: Tier.PREMIUM,
        provider: "one",
        promptTokens: 10n,
        completionTokens: 20n,
        tokensEstimated: false,
        creditsMicro: 1_000_000n,
        holdMicro: 1_000_000n,
        httpStatus: 200,
      },
    ]);
    expect(sink.heads).toMatchObject([{ creditsMicro: 1_000_000n }]);
  });

  it("is counted by what was relayed when the provider gives no usage", async () => {
    const { done } = bench.ask(scriptedProvider("one", [completion("a", "twelve chars")]));
    await done;
    expect(bench.usageLog.events).toMatchObject([
      { tokensEstimated: true, completionTokens: 3n, creditsMicro: 1_000_000n },
    ]);
  });

  it("is free when it holds no token", async () => {
    const none = create(ChatUsageSchema, { promptTokens: 10 });
    const { done } = bench.ask(scriptedProvider("one", [{ ...completion("a", ""), usage: none }]));
    await done;
    expect(bench.usageLog.events).toMatchObject([{ outcome: Outcome.OK, creditsMicro: 0n }]);
  });

  it("keeps the failed attempts in the one event of the request", async () => {
    const provider = scriptedProvider("one", [failure("http_5xx"), { ...completion("a"), usage }]);
    const { done } = bench.ask(provider, { deployments: 2 });
    await done;
    expect(bench.usageLog.events).toMatchObject([
      { outcome: Outcome.OK, attempts: [{ provider: "one", errorClass: "http_5xx" }] },
    ]);
  });

  it("is free when every attempt failed", async () => {
    const { done } = bench.ask(scriptedProvider("one", [failure("connect")]));
    await expect(done).rejects.toMatchObject({ code: "service_unavailable" });
    expect(bench.usageLog.events).toMatchObject([
      { outcome: Outcome.UPSTREAM_ERROR, creditsMicro: 0n, httpStatus: 503 },
    ]);
    expect(await bench.heldMicro()).toBe(0n);
  });

  it("is free when the client left before it", async () => {
    const cancellation = new Cancellation();
    cancellation.cancel("client_closed");
    const { done } = bench.ask(scriptedProvider("one", [failure("cancelled")]), { cancellation });
    await done.catch(() => undefined);
    expect(bench.usageLog.events).toMatchObject([
      { outcome: Outcome.CLIENT_CANCEL_BEFORE, creditsMicro: 0n, httpStatus: 499 },
    ]);
  });

  it("is not given when its end cannot be recorded", async () => {
    const provider = scriptedProvider("one", [{ ...completion("a"), usage }]);
    const complete = provider.complete;
    provider.complete = (call) => {
      bench.usageLog.full = true;
      return complete(call);
    };
    const { sink, done } = bench.ask(provider);
    await expect(done).rejects.toMatchObject({ code: "service_unavailable" });
    expect(sink.told).toEqual([]);
  });
});

describe("an answer that comes before its admission is recorded", () => {
  it("is settled with it, and is not given when both are refused", async () => {
    bench.usageLog.deferHolds = true;
    const provider = scriptedProvider("one", [{ ...completion("a"), usage }]);
    const { sink, done } = bench.ask(provider);
    await done;
    expect(bench.usageLog.hurried).toBe(0);
    expect(sink.told).toHaveLength(2);
    bench.usageLog.full = true;
    const refused = bench.ask(scriptedProvider("one", [{ ...completion("a"), usage }]));
    await expect(refused.done).rejects.toMatchObject({ code: "service_unavailable" });
    expect(refused.sink.told).toEqual([]);
    expect(bench.usageLog.events).toHaveLength(1);
    expect(await bench.heldMicro()).toBe(0n);
  });
});

describe("a stream", () => {
  it("sends nothing before its admission is recorded", async () => {
    bench.usageLog.deferHolds = true;
    const provider = scriptedProvider("one");
    const { sink, done } = bench.ask(provider, { stream: true });
    const receiver = await receiverOf(provider);
    receiver.onChunks([chunk("1")]);
    receiver.onEnd(usage);
    expect(sink.told).toEqual([]);
    expect(provider.steering).toEqual(["pause", "pause"]);
    expect(bench.usageLog.hurried).toBe(1);
    bench.usageLog.commit();
    await done;
    expect(sink.told).toEqual(["head gpt-5 one", "chunk 1", "end 1000000"]);
    expect(provider.steering.at(-1)).toBe("resume");
  });

  it("is refused when its admission cannot be recorded, and holds nothing", async () => {
    bench.usageLog.full = true;
    const { sink, done } = bench.ask(scriptedProvider("one"), { stream: true });
    await expect(done).rejects.toMatchObject({ code: "service_unavailable" });
    expect(sink.told).toEqual([]);
    expect(await bench.heldMicro()).toBe(0n);
  });

  it("shows the hold at its head and the charge at its end", async () => {
    const provider = scriptedProvider("one");
    const { sink, done } = bench.ask(provider, { stream: true });
    const receiver = await receiverOf(provider);
    receiver.onChunks([chunk("1")]);
    receiver.onEnd(usage);
    await done;
    expect(sink.heads).toMatchObject([{ creditsMicro: 1_000_000n }]);
    expect(bench.usageLog.events).toMatchObject([{ outcome: Outcome.STREAM_OK, stream: true }]);
  });

  it.each([
    { content: "word", outcome: Outcome.CLIENT_CANCEL_PARTIAL, creditsMicro: 1_000_000n },
    { content: "", outcome: Outcome.CLIENT_CANCEL_BEFORE, creditsMicro: 0n },
  ])("costs $creditsMicro when the client leaves after '$content'", async (row) => {
    const cancellation = new Cancellation();
    const provider = scriptedProvider("one");
    const { done } = bench.ask(provider, { stream: true, cancellation });
    const receiver = await receiverOf(provider);
    receiver.onChunks([chunk("1", row.content)]);
    cancellation.cancel("client_closed");
    receiver.onFailure(failure("cancelled"));
    // Where nothing has gone out there is no stream to break.
    if (row.content === "") await expect(done).rejects.toThrow("cancelled");
    else await done;
    expect(bench.usageLog.events).toMatchObject([
      { outcome: row.outcome, creditsMicro: row.creditsMicro, httpStatus: 499 },
    ]);
  });

  it("is free when the provider cuts it", async () => {
    const provider = scriptedProvider("one");
    const { sink, done } = bench.ask(provider, { stream: true });
    const receiver = await receiverOf(provider);
    receiver.onChunks([chunk("1")]);
    receiver.onFailure(failure("cut"));
    await done;
    expect(sink.told.at(-1)).toBe("fail service_unavailable");
    expect(bench.usageLog.events).toMatchObject([
      { outcome: Outcome.UPSTREAM_PARTIAL, creditsMicro: 0n, completionTokens: 1n },
    ]);
  });

  it("ends in an error frame when its end cannot be recorded", async () => {
    const provider = scriptedProvider("one");
    const { sink, done } = bench.ask(provider, { stream: true });
    const receiver = await receiverOf(provider);
    receiver.onChunks([chunk("1")]);
    bench.usageLog.full = true;
    receiver.onEnd(usage);
    await done;
    expect(sink.told.at(-1)).toBe("fail service_unavailable");
  });
});

describe("limits and credits", () => {
  it("refuse with the seed's words when no credit is left, and say not to retry", async () => {
    bench.totalMicro = 999_999n;
    await expect(bench.ask(scriptedProvider("one")).done).rejects.toMatchObject({
      code: "insufficient_credits",
      message: "Insufficient credits. Please upgrade your plan.",
      retryAfterMs: undefined,
      shouldRetry: false,
    });
  });

  it("refuse the request beyond the minute's limit with the time until it fits", async () => {
    bench.limits = { ...bench.limits, requestsPerMinute: 1 };
    await bench.ask(scriptedProvider("one", [{ ...completion("a"), usage }])).done;
    bench.nowMs += 20_000;
    await expect(bench.ask(scriptedProvider("one")).done).rejects.toMatchObject({
      code: "rate_limit_exceeded",
      message: "Rate limit exceeded: 1 requests per minute for this account.",
      retryAfterMs: 40_000,
      shouldRetry: true,
    });
    expect(bench.shown.at(-1)?.refusedBy).toBe("requests-minute");
  });

  it("tell clients not to wait for tomorrow", async () => {
    bench.limits = { ...bench.limits, requestsPerDay: 1 };
    await bench.ask(scriptedProvider("one", [{ ...completion("a"), usage }])).done;
    const refusal = { code: "rate_limit_exceeded", shouldRetry: false };
    await expect(bench.ask(scriptedProvider("one")).done).rejects.toMatchObject(refusal);
  });

  it("refuse what is larger than a whole window for good", async () => {
    bench.limits = { ...bench.limits, tokensPerMinute: 100 };
    await expect(bench.ask(scriptedProvider("one")).done).rejects.toMatchObject({
      code: "context_length_exceeded",
      param: "messages",
    });
  });

  it("record refusals of one key once a second, with their number", async () => {
    bench.totalMicro = 0n;
    for (let refused = 0; refused < 5; refused++) {
      await bench.ask(scriptedProvider("one")).done.catch(() => undefined);
    }
    expect(bench.usageLog.events).toEqual([]);
    await bench.meter.tick(false);
    expect(bench.usageLog.events).toMatchObject([
      { kind: EventKind.REJECTED, outcome: Outcome.REJECTED_402, requestCount: 5, httpStatus: 402 },
    ]);
  });
});
