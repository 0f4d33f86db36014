import { describe, expect, it } from "vitest";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { anthropic } from "../../src/providers/anthropic.ts";
import { gemini } from "../../src/providers/gemini.ts";
import { playAnthropic } from "../fakes/anthropic-upstream.ts";
import { playGemini } from "../fakes/gemini-upstream.ts";
import { playOpenAi } from "../fakes/openai-upstream.ts";
import { Delivery, toCall } from "./calls.ts";
import { useOpenAi } from "./openai-fixture.ts";

const tool = { type: "function", function: { name: "get", parameters: { type: "object" } } };
/** A value of each parameter, alone or with what it needs beside it. */
const samples: Record<string, unknown> = {
  audio: { voice: "alloy", format: "wav" },
  frequency_penalty: 0.5,
  function_call: "auto",
  functions: [{ name: "get", parameters: { type: "object" } }],
  logit_bias: { "50256": -100 },
  logprobs: true,
  max_completion_tokens: 77,
  max_tokens: 78,
  metadata: { team: "blue" },
  modalities: ["text"],
  moderation: { level: "low" },
  n: 2,
  parallel_tool_calls: false,
  prediction: { type: "content", content: "same" },
  presence_penalty: 0.25,
  prompt_cache_key: "cache-1",
  prompt_cache_options: { mode: "implicit" },
  prompt_cache_retention: "24h",
  reasoning_effort: "low",
  response_format: { type: "json_object" },
  safety_identifier: "person-1",
  seed: 7,
  service_tier: "flex",
  stop: ["END"],
  store: true,
  temperature: 0.3,
  tool_choice: "required",
  tools: [tool],
  top_logprobs: 2,
  top_p: 0.4,
  user: "person-2",
  verbosity: "low",
  web_search_options: { search_context_size: "low" },
  a_member_of_next_year: true,
};
/** What a parameter means nothing without. */
const companions: Record<string, object> = {
  parallel_tool_calls: { tools: [tool] },
  tool_choice: { tools: [tool] },
  top_logprobs: { logprobs: true },
  reasoning_effort: { max_completion_tokens: 4_096 },
};
/** The gateway's own affair, or told in another test. */
const others = new Set(["model", "messages", "stream", "stream_options", "extra", "optamil"]);

const kinds = [
  { kind: "openai, verbatim", form: "json" as const, options: {}, play: playOpenAi },
  { kind: "openai, normalised", form: "messages" as const, options: {}, play: playOpenAi },
  {
    kind: "anthropic",
    form: "json" as const,
    options: { dialect: anthropic },
    play: playAnthropic,
  },
  { kind: "gemini", form: "messages" as const, options: { dialect: gemini }, play: playGemini },
];

const fixture = useOpenAi();

it("a sample is here for each parameter of the request schema", () => {
  const names = CreateChatCompletionRequestSchema.fields.map(({ name }) => name);
  const missing = names.filter((name) => !others.has(name) && !Object.hasOwn(samples, name));
  expect(missing).toEqual([]);
});

describe.each(kinds)("at a provider of kind $kind", ({ form, options, play }) => {
  it.each(Object.keys(samples))(
    "%s reaches the upstream, or is named as dropped or refused",
    async (name) => {
      const { upstream } = fixture;
      upstream.play = play;
      const provider = fixture.open(options);
      const companion = companions[name] ?? {};
      const sent = async (request: object) => {
        const before = upstream.requests.length;
        const result = await provider.complete(toCall(form, request));
        return { result, body: upstream.requests[before]?.text };
      };
      const without = await sent(companion);
      const { result, body } = await sent({ ...companion, [name]: samples[name] });
      const isRefused = !result.ok && result.error.param === name;
      const isDropped = result.ok && (result.dropped ?? []).includes(name);
      const isSeen = body !== undefined && body !== without.body;
      expect({ isRefused, isDropped, isSeen }).toEqual({
        isRefused,
        isDropped: !isRefused && !isSeen,
        isSeen: !isRefused && !isDropped,
      });
    },
  );
});

describe.each(kinds)("a parameter to be left out, at a provider of kind $kind,", (kind) => {
  it.each(Object.keys(samples))("%s does not reach the upstream", async (name) => {
    const { upstream } = fixture;
    upstream.play = kind.play;
    const provider = fixture.open(kind.options);
    const bodies: string[] = [];
    for (const omit of [[], [name]]) {
      const request = omit.length === 0 ? {} : { [name]: samples[name] };
      const before = upstream.requests.length;
      expect(await provider.complete(toCall(kind.form, request, { omit }))).toMatchObject({
        ok: true,
      });
      bodies.push(upstream.requests[before]?.text ?? "");
    }
    expect(JSON.parse(bodies[1] ?? "")).toEqual(JSON.parse(bodies[0] ?? ""));
  });
});

it("a stream names what was dropped too, in order, before its first event", async () => {
  const { upstream } = fixture;
  upstream.play = playAnthropic;
  const provider = fixture.open({ dialect: anthropic });
  const delivery = new Delivery();
  const call = toCall("json", { seed: 1, logit_bias: { "1": 1 }, temperature: 1, stream: true });
  const { dropped } = provider.stream(call, delivery);
  expect(dropped).toEqual(["logit_bias", "seed"]);
  await delivery.ended;
});

it("temperature and top_p are dropped while Anthropic's model thinks", async () => {
  fixture.upstream.play = playAnthropic;
  const provider = fixture.open({ dialect: anthropic });
  const request = { reasoning_effort: "high", max_tokens: 9_000, temperature: 0.5, top_p: 0.5 };
  const result = await provider.complete(toCall("json", request));
  expect(result).toMatchObject({ ok: true, dropped: ["temperature", "top_p"] });
});
