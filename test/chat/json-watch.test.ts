import { create } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { watchJson } from "../../src/chat/json-watch.ts";
import { StreamChatCompletionResponseSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { chunk, event } from "../fakes/openai-upstream.ts";
import { failure, scriptedProvider } from "../fakes/scripted-provider.ts";
import { Delivery, toCall } from "../providers/calls.ts";

const codec = jsonCodec(StreamChatCompletionResponseSchema);
const form = { schema: { type: "object" } };
const call = { index: 0, id: "a", type: "function", function: { name: "get", arguments: "{}" } };
const tools = [{ type: "function", function: { name: "get" } }];
const notJson = {
  errorClass: "invalid_json",
  tryNext: true,
  error: { code: "service_unavailable" },
};

/** Plays chunks to a watch, as events of one read or as messages, and says what came through. */
function play(as: "events" | "chunks", given: object[], request: object = {}) {
  const provider = scriptedProvider("one");
  const delivery = new Delivery();
  const asked = toCall("json", { stream: true, ...request });
  watchJson(provider, asked, form, delivery);
  const [receiver] = provider.receivers;
  if (as === "events") receiver?.onEvents(Buffer.from(given.map(event).join("")), given.length);
  else receiver?.onChunks(given.map((one) => codec.decode(one)));
  receiver?.onEnd(undefined);
  const upstream = provider.calls[0]?.cancellation;
  return { delivery, upstream, asked, receiver };
}

const said = (...texts: string[]) => texts.map((content) => chunk({ content }));
const ended = (reason: string) => chunk({}, reason);
const whole = said('{"city"', ':"Be', 'rn"}');

describe.each(["events", "chunks"] as const)("a stream that should be JSON, as %s,", (as) => {
  it("goes on as it came where it is JSON", () => {
    const given = [...whole, ended("stop")];
    const { delivery, upstream } = play(as, given);
    expect(delivery).toMatchObject({ failure: undefined, endCount: 1 });
    expect(delivery.chunks).toHaveLength(4);
    expect(upstream?.cancelled).toBe(false);
  });

  it("fails with the first piece that is none, which stays here, and closes the upstream", () => {
    const { delivery, upstream, asked } = play(as, said('{"city":', "Bern", "}"));
    expect(delivery.text()).toBe('{"city":');
    expect(delivery).toMatchObject({ failure: notJson, endCount: 1 });
    expect(upstream?.cancelled).toBe(true);
    expect(asked.cancellation.cancelled).toBe(false);
  });

  it.each([
    ["half of it", said('{"city":"Be')],
    ["nothing", []],
  ])("fails where the model has ended after %s", (_what, given) => {
    const { delivery } = play(as, [...given, ended("stop")]);
    expect(delivery.finishReasons()).toEqual([]);
    expect(delivery).toMatchObject({ failure: notJson, endCount: 1 });
  });

  it("fails where it ends half, without a word of why", () => {
    expect(play(as, said('{"city"')).delivery).toMatchObject({ failure: notJson, endCount: 1 });
  });

  it.each([
    ["was cut for its length", [...said('{"city":"Be'), ended("length")]],
    ["was filtered", [...said('{"city":"Be'), ended("content_filter")]],
    ["is a refusal", [chunk({ refusal: "No." }), ended("stop")]],
    ["calls a tool", [chunk({ tool_calls: [call] }), ended("tool_calls")]],
  ])("is the model's last word where it %s", (_what, given) => {
    const { delivery } = play(as, given);
    expect(delivery).toMatchObject({ failure: undefined, endCount: 1 });
    expect(delivery.chunks).toHaveLength(2);
  });

  it("may begin with prose where tools are offered and called, not where the prose is all", () => {
    const prose = said("Let me look.");
    const calling = [...prose, chunk({ tool_calls: [call] }), ended("tool_calls")];
    expect(play(as, calling, { tools }).delivery.failure).toBeUndefined();
    expect(play(as, [...prose, ended("stop")], { tools }).delivery).toMatchObject({
      failure: notJson,
    });
  });

  it("has each of its choices checked", () => {
    const good = ['{"a":', "1}"].map((content) => chunk({ content }));
    const other = ["{", "}"].map((content) => chunk({ content }, null, 1));
    const mixed = [good[0], other[0], good[1], other[1]].flatMap((one) => one ?? []);
    const stops = [ended("stop"), chunk({}, "stop", 1)];
    expect(play(as, [...mixed, ...stops], { n: 2 }).delivery.failure).toBeUndefined();
    const half = mixed.slice(0, 3);
    expect(play(as, [...half, ...stops], { n: 2 }).delivery).toMatchObject({ failure: notJson });
  });
});

it("what is JSON in characters of many bytes is JSON in a stream of bytes", () => {
  const given = [...said('{"a":"Zür', 'ich 🙂\\n"}'), ended("stop")];
  expect(play("events", given).delivery).toMatchObject({ failure: undefined, endCount: 1 });
});

it("a client that leaves a watched stream cancels its upstream", () => {
  const provider = scriptedProvider("one");
  const asked = toCall("json", { stream: true });
  watchJson(provider, asked, form, new Delivery());
  asked.cancellation.cancel("client_closed");
  expect(provider.calls[0]?.cancellation.reason).toBe("client_closed");
});

it("a watched stream that failed has failed", () => {
  const provider = scriptedProvider("one");
  const delivery = new Delivery();
  watchJson(provider, toCall("json", { stream: true }), form, delivery);
  const cut = failure("cut");
  provider.receivers[0]?.onChunks([create(StreamChatCompletionResponseSchema, {})]);
  provider.receivers[0]?.onFailure(cut);
  expect(delivery.failure).toBe(cut);
});
