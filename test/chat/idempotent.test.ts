import { Buffer } from "node:buffer";
import { create } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerBytesMax, answerLifeMs } from "../../src/admission/idempotency.ts";
import { ChatUsageSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { Outcome } from "../../src/gen/optamil/v1/event_pb.ts";
import { Cancellation } from "../../src/platform/cancellation.ts";
import type { ProviderAnswer, StreamReceiver } from "../../src/providers/provider.ts";
import { chunk } from "../fakes/recording-sink.ts";
import { completion, failure } from "../fakes/scripted-provider.ts";
import { createKeyedBench, type Given, type KeyedAsk, type KeyedBench } from "./keyed-bench.ts";
import { receiverOf } from "./metering-bench.ts";

const usage = create(ChatUsageSchema, { promptTokens: 10, completionTokens: 20, totalTokens: 30 });
const conflict = { code: "conflict", retryAfterMs: 1_000, shouldRetry: true };
const notKept = { code: "conflict", retryAfterMs: undefined, shouldRetry: false };

let bench: KeyedBench;
let results: (ProviderAnswer | ReturnType<typeof failure>)[];

beforeEach(() => {
  bench = createKeyedBench();
  results = [];
  bench.provider.complete = async (call) => {
    bench.provider.calls.push(call);
    return results.shift() ?? { ...completion(`answer-${bench.provider.calls.length}`), usage };
  };
});

afterEach(() => bench.close());

type Started = { readonly given: Promise<Given>; readonly receiver: StreamReceiver };

/** Asks for a stream; resolves when the provider was asked for it. */
async function start(asked: KeyedAsk = {}): Promise<Started> {
  const before = bench.provider.receivers.length;
  const given = bench.ask({ ...asked, stream: true });
  // Whoever looks at a refusal does so later.
  given.catch(() => undefined);
  for (let turn = 0; turn < 100 && bench.provider.receivers.length === before; turn++) {
    await new Promise(setImmediate);
  }
  if (bench.provider.receivers.length === before) await given;
  return { given, receiver: await receiverOf(bench.provider) };
}

/** Asks for a stream and lets the provider give it. */
async function stream(
  deliver: (receiver: StreamReceiver) => void,
  asked: KeyedAsk = {},
): Promise<Given> {
  const { given, receiver } = await start(asked);
  deliver(receiver);
  return given;
}

function deliverChunks(receiver: StreamReceiver): void {
  receiver.onChunks([chunk("1", "Grüße"), chunk("1", "two\n\nlines")]);
  receiver.onChunks([chunk("1", " and more")]);
  receiver.onEnd(usage);
}

function deliverEvents(receiver: StreamReceiver): void {
  for (const word of ["Grüße", "a\\n\\nb"]) {
    const choice = `{"index":0, "delta":{"content":"${word}"},"finish_reason":null}`;
    const json = `{"id":"1","object":"chat.completion.chunk","created":1,"model":"gpt-5","choices":[${choice}],"vendor":1}`;
    receiver.onEvents(Buffer.from(`data: ${json}\n\n`), 1);
  }
  receiver.onEnd(usage);
}

function expectOneCharge(): void {
  expect(bench.provider.calls).toHaveLength(1);
  expect(bench.meters.usageLog.holds).toHaveLength(1);
  expect(bench.meters.usageLog.events).toMatchObject([{ creditsMicro: 1_000_000n }]);
}

describe("a request with an Idempotency-Key", () => {
  it("is answered and charged once, in parallel and afterwards", async () => {
    const parallel = await Promise.allSettled(Array.from({ length: 5 }, () => bench.ask()));
    const [first] = parallel.flatMap((result) => (result.status === "fulfilled" ? [result] : []));
    const refused = parallel.flatMap((result) =>
      result.status === "rejected" ? [result.reason] : [],
    );
    expect(refused).toHaveLength(4);
    for (const error of refused) expect(error).toMatchObject(conflict);
    for (let repeat = 0; repeat < 5; repeat++) {
      expect((await bench.ask()).body).toBe(first?.value.body);
    }
    expectOneCharge();
  });

  it("has the event id that the store knows", async () => {
    const begun: string[] = [];
    const begin = bench.store.begin.bind(bench.store);
    bench.store.begin = (attempt) => {
      begun.push(attempt.eventId);
      return begin(attempt);
    };
    await bench.ask();
    const [event] = bench.meters.usageLog.events;
    expect(begun).toEqual([
      Buffer.from(event?.eventId ?? [])
        .toString("hex")
        .replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5"),
    ]);
  });

  it("shows the head of the first answer again, and that it is a replay", async () => {
    const first = await bench.ask();
    bench.meters.nowMs += 5_000;
    const again = await bench.ask();
    expect(first.headers).not.toHaveProperty("x-optamil-idempotent-replay");
    expect(again.headers).toEqual({
      ...first.headers,
      "x-optamil-overhead-ms": "0.00",
      "x-optamil-idempotent-replay": "true",
    });
    expect(again.headers).toMatchObject({
      "x-optamil-model": "gpt-5",
      "x-optamil-tier": "premium",
      "x-optamil-provider": "one",
      "x-optamil-credits": "1",
    });
  });

  it("is refused under a key that another body has", async () => {
    await bench.ask();
    const others: KeyedAsk[] = [
      { request: { temperature: 0.5 } },
      { stream: true },
      { request: { streamOptions: { includeUsage: true } } },
    ];
    for (const other of others) {
      await expect(bench.ask(other)).rejects.toMatchObject({ code: "idempotency_mismatch" });
    }
    expectOneCharge();
  });

  it("does not meet the same key of another account", async () => {
    const accountId = "0190b2c4-0000-7000-8000-000000000009";
    const [one, other] = [await bench.ask(), await bench.ask({ accountId })];
    expect(other.body).not.toBe(one.body);
    expect(bench.provider.calls).toHaveLength(2);
  });

  it("may run again when it failed", async () => {
    results.push(failure("http_5xx"));
    await expect(bench.ask()).rejects.toMatchObject({ code: "service_unavailable" });
    expect((await bench.ask()).body).toContain("answer-2");
    expect((await bench.ask()).body).toContain("answer-2");
    expect(bench.meters.usageLog.events).toMatchObject([
      { outcome: Outcome.UPSTREAM_ERROR, creditsMicro: 0n },
      { outcome: Outcome.OK, creditsMicro: 1_000_000n },
    ]);
  });

  it("may run again when it was refused for want of credits", async () => {
    bench.meters.totalMicro = 0n;
    await expect(bench.ask()).rejects.toMatchObject({ code: "insufficient_credits" });
    bench.meters.totalMicro = 1_000_000n;
    expect((await bench.ask()).body).toContain("answer-1");
  });

  it("may run again, with another body too, when its answer was free", async () => {
    const none = create(ChatUsageSchema, { promptTokens: 10 });
    results.push({ ...completion("empty", ""), usage: none });
    expect((await bench.ask()).body).toContain("empty");
    expect((await bench.ask({ request: { temperature: 1 } })).body).toContain("answer-2");
  });

  it("runs anew 24 hours after its answer", async () => {
    await bench.ask();
    bench.meters.nowMs += answerLifeMs - 1;
    await bench.ask();
    expectOneCharge();
    bench.meters.nowMs += 1;
    expect((await bench.ask()).body).toContain("answer-2");
  });

  it("is charged, but not given again, when its answer is larger than 1 MiB", async () => {
    results.push({ ...completion("large", "x".repeat(answerBytesMax)), usage });
    expect((await bench.ask()).body.length).toBeGreaterThan(answerBytesMax);
    await expect(bench.ask()).rejects.toMatchObject(notKept);
    expectOneCharge();
  });

  it("gets its answer even when that cannot be remembered", async () => {
    bench.store.finish = () => Promise.reject(new Error("disk full"));
    expect((await bench.ask()).body).toContain("answer-1");
    expect(bench.unremembered).toMatchObject([{ message: "disk full" }]);
  });

  it("is given the provider's own bytes again", async () => {
    const text =
      '{ "id":"own","object":"chat.completion", "vendor":1e2,"created":1,"model":"gpt-5","choices":[] }';
    results.push({ ok: true, body: { form: "json", bytes: Buffer.from(text) }, usage });
    expect((await bench.ask()).body).toBe(text);
    expect((await bench.ask()).body).toBe(text);
    expect((await bench.ask({ door: "rpc" })).body).toContain('"own"');
    expectOneCharge();
  });

  it("is not given again over RPC when REST passed on what RPC cannot say", async () => {
    const text = '{"answer":42}';
    results.push({ ok: true, body: { form: "json", bytes: Buffer.from(text) }, usage });
    await bench.ask();
    await expect(bench.ask({ door: "rpc" })).rejects.toMatchObject(notKept);
    expect((await bench.ask()).body).toBe(text);
  });
});

describe("a stream with an Idempotency-Key", () => {
  it.each([
    { what: "chunks", deliver: deliverChunks },
    { what: "events", deliver: deliverEvents },
  ])("of $what is replayed byte for byte, and charged once", async ({ deliver }) => {
    const first = await stream(deliver);
    expect(first.body).toContain("Grüße");
    expect(first.body).toMatch(/data: \[DONE\]\n\n$/);
    const again = await bench.ask({ stream: true });
    expect(again.body).toBe(first.body);
    expect(again.headers).toMatchObject({ "x-optamil-idempotent-replay": "true" });
    expectOneCharge();
  });

  it("is replayed with its usage chunk and the nulls before it", async () => {
    const request = { streamOptions: { includeUsage: true } };
    const deliver = (receiver: StreamReceiver) => {
      receiver.onChunks([chunk("1"), { ...chunk("1"), choices: [], usage }]);
      receiver.onEnd(usage);
    };
    const first = await stream(deliver, { request });
    expect(first.body).toContain('"usage":null');
    expect((await bench.ask({ stream: true, request })).body).toBe(first.body);
  });

  it.each([
    ["rest", "rpc"],
    ["rpc", "rest"],
    ["rpc", "rpc"],
  ] as const)("over %s is replayed chunk for chunk over %s", async (first, second) => {
    const given = await stream(deliverChunks, { door: first });
    expect((await bench.ask({ door: second, stream: true })).body).toBe(given.body);
    expectOneCharge();
  });

  it("that went out as the provider's bytes is replayed over RPC", async () => {
    await stream(deliverEvents);
    const again = await bench.ask({ door: "rpc", stream: true });
    expect(again.body.match(/"content":"[^"]*"/g)).toEqual([
      '"content":"Grüße"',
      '"content":"a\\n\\nb"',
    ]);
  });

  it("is refused while the first one runs", async () => {
    const { given, receiver } = await start();
    receiver.onChunks([chunk("1")]);
    await expect(bench.ask({ stream: true })).rejects.toMatchObject(conflict);
    receiver.onEnd(usage);
    const { body } = await given;
    expect((await bench.ask({ stream: true })).body).toBe(body);
  });

  it("ends only when a repeat would be replayed", async () => {
    let remember = () => {};
    const finish = bench.store.finish.bind(bench.store);
    bench.store.finish = async (attempt, answer) => {
      await new Promise<void>((resolve) => {
        remember = resolve;
      });
      await finish(attempt, answer);
    };
    let ended = false;
    const first = stream(deliverChunks, { door: "rpc" }).then(() => {
      ended = true;
    });
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(bench.meters.usageLog.events).toHaveLength(1);
    expect(ended).toBe(false);
    remember();
    await first;
    await expect(bench.ask({ stream: true })).resolves.toBeDefined();
  });

  it("may run again when its provider cut it: it was free", async () => {
    const first = await stream((receiver) => {
      receiver.onChunks([chunk("1")]);
      receiver.onFailure(failure("cut"));
    });
    expect(first.body).toContain('"error"');
    const second = await stream(deliverChunks);
    expect(second.headers).not.toHaveProperty("x-optamil-idempotent-replay");
    expect(second.body).toContain("Grüße");
  });

  it("may run again when its client left before any content", async () => {
    const cancellation = new Cancellation();
    const cancel = (receiver: StreamReceiver) => {
      cancellation.cancel("client_closed");
      receiver.onFailure(failure("cancelled"));
    };
    await expect(stream(cancel, { cancellation })).rejects.toBeDefined();
    expect((await stream(deliverChunks)).body).toContain("Grüße");
  });

  it("is not run again when its client left after content: it was charged", async () => {
    const cancellation = new Cancellation();
    const deliver = (receiver: StreamReceiver) => {
      receiver.onChunks([chunk("1")]);
      cancellation.cancel("client_closed");
      receiver.onFailure(failure("cancelled"));
    };
    await stream(deliver, { cancellation });
    await expect(bench.ask({ stream: true })).rejects.toMatchObject(notKept);
    expectOneCharge();
  });

  it("is charged, but not given again, when it is larger than 1 MiB", async () => {
    const half = "x".repeat(answerBytesMax / 2);
    const first = await stream((receiver) => {
      receiver.onChunks([chunk("1", half)]);
      receiver.onChunks([chunk("1", half)]);
      receiver.onEnd(usage);
    });
    expect(first.body.length).toBeGreaterThan(answerBytesMax);
    await expect(bench.ask({ stream: true })).rejects.toMatchObject(notKept);
    expectOneCharge();
  });
});

describe("the memory for recordings", () => {
  it("is shared: an answer that finds none is not kept, and the next one finds it free again", async () => {
    await bench.close();
    bench = createKeyedBench(2_000);
    const started: Started[] = [];
    for (const key of ["first", "second"]) {
      const running = await start({ key });
      running.receiver.onChunks([chunk("1", "x".repeat(1_500))]);
      started.push(running);
    }
    for (const { receiver } of started) receiver.onEnd(usage);
    await Promise.all(started.map(({ given }) => given));
    await expect(bench.ask({ key: "first", stream: true })).resolves.toBeDefined();
    await expect(bench.ask({ key: "second", stream: true })).rejects.toMatchObject(notKept);
    await stream(deliverChunks, { key: "third" });
    await expect(bench.ask({ key: "third", stream: true })).resolves.toBeDefined();
  });
});
