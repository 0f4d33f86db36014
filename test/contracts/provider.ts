/** What every provider must do, whatever stands behind it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Provider } from "../../src/providers/provider.ts";
import { collect, modelName, startStream, toCall, toMessage } from "../providers/calls.ts";

/** A provider and what closes all that was opened for it. */
export type ProviderUnderTest = {
  readonly provider: Provider;
  close(): Promise<void>;
};

const tool = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
};

/** Runs the contract on a provider that answers any question with at least four tokens, `choicesMax` times (3) at most. */
export function testProviderContract(
  name: string,
  open: () => Promise<ProviderUnderTest>,
  { choicesMax = 3 } = {},
): void {
  describe(`${name} keeps the contract of providers`, () => {
    let tested: ProviderUnderTest;
    beforeAll(async () => {
      tested = await open();
    });
    afterAll(() => tested.close());
    const provider = () => tested.provider;

    describe.each(["json", "messages"] as const)("with form %s", (form) => {
      testAnswers(form, provider);
      testStreams(form, provider);
      if (choicesMax > 1) testChoices(form, provider);
      testSteering(form, provider);
    });
  });
}

function testAnswers(form: "json" | "messages", provider: () => Provider): void {
  it("an answer names the catalogue's model and counts its tokens", async () => {
    const outcome = await provider().complete(toCall(form));
    const message = toMessage(outcome);
    expect(message).toMatchObject({ model: modelName, object: "chat.completion" });
    expect(message.choices[0]).toMatchObject({ index: 0, finishReason: "stop" });
    expect(message.choices[0]?.message?.content).toMatch(/\w/);
    expect(outcome).toMatchObject({ ok: true, usage: message.usage });
    const { promptTokens = 0, completionTokens = 0, totalTokens } = message.usage ?? {};
    expect(totalTokens).toBe(promptTokens + completionTokens);
  });

  it("a required tool is called with arguments that are JSON", async () => {
    const call = toCall(form, { tools: [tool], tool_choice: "required" });
    const [choice] = toMessage(await provider().complete(call)).choices;
    expect(choice?.finishReason).toBe("tool_calls");
    const [called] = choice?.message?.toolCalls ?? [];
    expect(called).toMatchObject({ type: "function", function: { name: "get_weather" } });
    expect(JSON.parse(called?.function?.arguments ?? "")).toBeTypeOf("object");
  });
}

function testChoices(form: "json" | "messages", provider: () => Provider): void {
  it("an answer has as many choices as were asked for", async () => {
    const message = toMessage(await provider().complete(toCall(form, { n: 3 })));
    expect(message.choices.map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  it("the role comes in the first chunk of a choice, and only there", async () => {
    const { chunks } = await collect(provider(), toCall(form, { stream: true, n: 2 }));
    for (const index of [0, 1]) {
      const deltas = chunks.flatMap(({ choices }) => choices.filter((row) => row.index === index));
      const [first, ...others] = deltas.map(({ delta }) => delta?.role);
      expect(first).toBe("assistant");
      expect(others.filter((role) => role !== undefined)).toEqual([]);
    }
  });

  it("each of several choices finishes once", async () => {
    const delivery = await collect(provider(), toCall(form, { stream: true, n: 2 }));
    expect([delivery.finishReasons(0), delivery.finishReasons(1)]).toEqual([["stop"], ["stop"]]);
  });
}

function testStreams(form: "json" | "messages", provider: () => Provider): void {
  it("a stream says what the whole answer says", async () => {
    const message = toMessage(await provider().complete(toCall(form)));
    const delivery = await collect(provider(), toCall(form, { stream: true }));
    expect(delivery.text()).toBe(message.choices[0]?.message?.content);
    expect(delivery.finishReasons()).toEqual(["stop"]);
    expect(delivery.endCount).toBe(1);
    expect(delivery.failure).toBeUndefined();
  });

  it("all chunks of a stream share id, object, created and the catalogue's model", async () => {
    const { chunks } = await collect(provider(), toCall(form, { stream: true }));
    const frames = chunks.map(({ id, object, created, model }) => [id, object, created, model]);
    expect(new Set(frames.map(String)).size).toBe(1);
    expect(chunks[0]).toMatchObject({ object: "chat.completion.chunk", model: modelName });
  });

  it("the role comes in the first chunk, and only there", async () => {
    const { chunks } = await collect(provider(), toCall(form, { stream: true }));
    const roles = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta?.role));
    expect(roles[0]).toBe("assistant");
    expect(roles.slice(1).filter((role) => role !== undefined)).toEqual([]);
  });

  it("a stream reports its usage at the end, in a chunk only to whom asked for it", async () => {
    const asked = { stream: true, stream_options: { include_usage: true } };
    const withUsage = await collect(provider(), toCall(form, asked));
    const without = await collect(provider(), toCall(form, { stream: true }));
    expect(withUsage.chunks.at(-1)).toMatchObject({ choices: [], usage: withUsage.usage });
    expect(without.chunks.filter(({ usage }) => usage !== undefined)).toEqual([]);
    expect(without.usage?.totalTokens).toBe(withUsage.usage?.totalTokens);
    expect(without.usage?.totalTokens).toBeGreaterThan(0);
  });

  it("a streamed tool call has its id and name once and an index in every fragment", async () => {
    const request = { stream: true, tools: [tool], tool_choice: "required" };
    const delivery = await collect(provider(), toCall(form, request));
    const calls = delivery.chunks.flatMap(({ choices }) => choices[0]?.delta?.toolCalls ?? []);
    expect(calls[0]).toMatchObject({ type: "function", function: { name: "get_weather" } });
    expect(calls.filter(({ id }) => id !== undefined)).toHaveLength(1);
    expect(calls.filter((call) => call.function?.name !== undefined)).toHaveLength(1);
    expect(new Set(calls.map(({ index }) => index))).toEqual(new Set([0]));
    const text = calls.map((call) => call.function?.arguments ?? "").join("");
    expect(JSON.parse(text)).toBeTypeOf("object");
    expect(delivery.finishReasons()).toEqual(["tool_calls"]);
  });
}

function testSteering(form: "json" | "messages", provider: () => Provider): void {
  it("nothing is delivered before the stream is returned", async () => {
    const { delivery } = startStream(provider(), toCall(form, { stream: true }));
    expect([delivery.chunks.length, delivery.endCount]).toEqual([0, 0]);
    await delivery.ended;
  });

  it("a call that was cancelled before it began fails as cancelled", async () => {
    const call = toCall(form, { stream: true });
    call.cancellation.cancel("client_closed");
    const { delivery } = startStream(provider(), call);
    expect(delivery.endCount).toBe(0);
    await delivery.ended;
    const expected = { ok: false, errorClass: "cancelled", tryNext: false };
    expect(delivery.failure).toMatchObject(expected);
    expect(await provider().complete(call)).toMatchObject(expected);
  });

  it("a stream that is cancelled in its middle fails once and delivers nothing more", async () => {
    const call = toCall(form, { stream: true });
    const { delivery } = startStream(provider(), call);
    delivery.onDelivery = () => call.cancellation.cancel("client_closed");
    await delivery.ended;
    expect(delivery.failure?.errorClass).toBe("cancelled");
    const { length } = delivery.chunks;
    await collect(provider(), toCall(form, { stream: true }));
    expect([delivery.chunks.length, delivery.endCount]).toEqual([length, 1]);
  });

  it("a stream that is paused after each delivery loses nothing", async () => {
    const whole = await collect(provider(), toCall(form, { stream: true }));
    const { delivery, stream } = startStream(provider(), toCall(form, { stream: true }));
    delivery.onDelivery = () => {
      stream.pause();
      setImmediate(() => stream.resume());
    };
    await delivery.ended;
    expect(delivery.text()).toBe(whole.text());
    expect(delivery.endCount).toBe(1);
  });
}
