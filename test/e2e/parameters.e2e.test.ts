import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { playAnthropic } from "../fakes/anthropic-upstream.ts";
import { playGemini } from "../fakes/gemini-upstream.ts";
import { openUpstream, playOpenAi } from "../fakes/openai-upstream.ts";
import { bearer, doors, type Target } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { refusalOf } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const [claude, gemini, gpt] = await Promise.all([openUpstream(), openUpstream(), openUpstream()]);
afterAll(() => Promise.all([claude.close(), gemini.close(), gpt.close()]));
const gateway = await startGateway({
  config: {
    models: [
      { name: "plain", tier: "mid", unsupportedParameters: ["temperature"] },
      { name: "claude", tier: "ultra" },
      { name: "gemini", tier: "ultra" },
    ],
    providers: [
      {
        name: "gpt",
        kind: "openai",
        baseUrl: gpt.baseUrl,
        models: ["plain", "gpt-5", "gpt-4.1", "gpt-5.2", "gpt-5.5"],
      },
      { name: "claude", kind: "anthropic", baseUrl: claude.baseUrl, models: ["claude"] },
      { name: "gemini", kind: "gemini", baseUrl: gemini.baseUrl, models: ["gemini"] },
    ],
  },
});
const first: Target = { url: gateway.url, headers: bearer(gateway.key) };
const messages = [{ role: "user", content: "Which city?" }];
const request = { messages, model: "plain", temperature: 0.5 };

async function keyWith(policy: string, models: readonly string[] = []): Promise<Target> {
  const made = await sendHttp1(gateway.url, {
    ...{ path: "/v1/keys", method: "POST", headers: first.headers },
    body: { name: policy, parameter_policy: policy, models },
  });
  const { key, info } = JSON.parse(made.text);
  expect(info.parameter_policy).toBe(policy);
  return { url: gateway.url, headers: bearer(key) };
}

const [forwarding, rejecting] = [await keyWith("forward"), await keyWith("reject")];

beforeEach(() => {
  claude.play = playAnthropic;
  gemini.play = playGemini;
  gpt.play = playOpenAi;
});

const sentTo = ({ requests }: typeof gpt) => JSON.parse(requests.at(-1)?.text ?? "{}");

describe.each(doors)("through $name max_tokens", (door) => {
  it.each([first, forwarding, rejecting])(
    "goes to OpenAI's reasoning models by its new name",
    async (target) => {
      for (const call of [door.chat, door.stream]) {
        const { headers } = await call(target, { messages, model: "gpt-5", max_tokens: 50 });
        expect(sentTo(gpt)).toMatchObject({ max_completion_tokens: 50 });
        expect(sentTo(gpt)).not.toHaveProperty("max_tokens");
        expect(headers["x-optamil-dropped-params"]).toBeUndefined();
      }
    },
  );

  it("that says nothing gives way, and it stays for other models", async () => {
    const both = { messages, max_tokens: null, max_completion_tokens: 60 };
    await door.chat(first, { ...both, model: "gpt-5" });
    expect(sentTo(gpt)).toMatchObject({ max_completion_tokens: 60 });
    expect(sentTo(gpt)).not.toHaveProperty("max_tokens");
    await door.chat(first, { messages, model: "gpt-4.1", max_tokens: 50 });
    expect(sentTo(gpt)).toMatchObject({ max_tokens: 50 });
  });
});

/** Every parameter that some built-in model cannot take, in a request that is otherwise right. */
const samples: Readonly<Record<string, object>> = {
  temperature: { temperature: 0.5 },
  top_p: { top_p: 0.5 },
  presence_penalty: { presence_penalty: 0.5 },
  frequency_penalty: { frequency_penalty: 0.5 },
  logprobs: { logprobs: true },
  logit_bias: { logit_bias: { "50256": -100 } },
  reasoning_effort: { reasoning_effort: "low" },
};
const untaken = Object.keys(samples).map((name) => ({
  name,
  model: name === "reasoning_effort" ? "gpt-4.1" : "gpt-5",
}));

describe.each(doors)("through $name by policy", (door) => {
  it.each(untaken)(
    "$name, which $model does not take, is dropped, forwarded or refused",
    async ({ name, model }) => {
      const asked = { messages, model, ...samples[name] };
      const { headers } = await door.chat(first, asked);
      expect(headers["x-optamil-dropped-params"]).toBe(name);
      expect(sentTo(gpt)).not.toHaveProperty(name);
      await door.chat(forwarding, asked);
      expect(sentTo(gpt)).toHaveProperty(name);
      const before = gpt.requests.length;
      const refusal = await refusalOf(door.chat(rejecting, asked));
      expect(refusal).toMatchObject({ type: "invalid_request_error", param: name });
      expect(gpt.requests.length).toBe(before);
    },
  );
});

/** What an API has no word for, by kind of provider. */
const untold = {
  claude: {
    ...{ seed: 7, presence_penalty: 0.5, frequency_penalty: 0.5, logit_bias: { "1": 1 } },
    ...{ logprobs: true, store: true, metadata: { team: "blue" }, service_tier: "flex" },
    ...{ verbosity: "low", prompt_cache_key: "c", modalities: ["text"] },
    prediction: { type: "content", content: "same" },
    web_search_options: { search_context_size: "low" },
  },
  gemini: {
    ...{ logit_bias: { "1": 1 }, logprobs: true, store: true, metadata: { team: "blue" } },
    ...{ user: "u", safety_identifier: "p", service_tier: "flex", verbosity: "low" },
    ...{ prompt_cache_key: "c", modalities: ["text"] },
    prediction: { type: "content", content: "same" },
    web_search_options: { search_context_size: "low" },
  },
};
const untoldCases = Object.entries(untold).flatMap(([model, values]) =>
  Object.entries(values).map(([name, value]) => ({ model, name, value })),
);

describe.each(doors)("through $name by policy", (door) => {
  it.each(untoldCases)(
    "$name, for which the API of $model has no word, is named or refused",
    async ({ model, name, value }) => {
      const upstream = model === "claude" ? claude : gemini;
      const asked = { messages, model, [name]: value };
      for (const target of [first, forwarding]) {
        const { headers } = await door.chat(target, asked);
        expect(headers["x-optamil-dropped-params"]).toBe(name);
      }
      const before = upstream.requests.length;
      for (const call of [door.chat, door.stream]) {
        const refusal = await refusalOf(call(rejecting, asked));
        expect(refusal).toMatchObject({ type: "invalid_request_error", param: name });
      }
      expect(upstream.requests.length).toBe(before);
    },
  );
});

/** Whether a model reasons by default, and what it is asked for. */
const efforts = [
  { model: "gpt-5.2", effort: undefined, reasons: false },
  { model: "gpt-5.2", effort: "none", reasons: false },
  { model: "gpt-5.2", effort: "low", reasons: true },
  { model: "gpt-5.5", effort: undefined, reasons: true },
  { model: "gpt-5.5", effort: "none", reasons: false },
];

describe.each(doors)("through $name how to sample", (door) => {
  it.each(efforts)(
    "is told $model asked for effort $effort unless it reasons ($reasons)",
    async ({ model, effort, reasons }) => {
      const how = { temperature: 0.5, top_p: 0.5, logprobs: true, top_logprobs: 2 };
      const asked = { messages, model, ...how, ...(effort && { reasoning_effort: effort }) };
      const { headers } = await door.chat(first, asked);
      const names = reasons ? "logprobs,temperature,top_logprobs,top_p" : undefined;
      expect(headers["x-optamil-dropped-params"]?.replaceAll(" ", "")).toBe(names);
      expect(Object.keys(how).filter((name) => name in sentTo(gpt))).toEqual(
        reasons ? [] : Object.keys(how),
      );
      const told = door.chat(rejecting, asked).then(() => undefined, readRejected);
      expect(await told).toBe(reasons ? "temperature" : undefined);
    },
  );
});

async function readRejected(error: unknown): Promise<unknown> {
  return (await refusalOf(Promise.reject(error))).param;
}

describe.each(doors)("through $name a parameter that the model cannot take", (door) => {
  it("is left out and named by default, whole or streamed", async () => {
    for (const call of [door.chat, door.stream]) {
      const { headers } = await call(first, request);
      expect(headers["x-optamil-dropped-params"]).toBe("temperature");
      expect(sentTo(gpt)).not.toHaveProperty("temperature");
    }
  });

  it("is sent for a key that forwards, and named only where the API has no place for it", async () => {
    const { headers } = await door.chat(forwarding, request);
    expect(headers["x-optamil-dropped-params"]).toBeUndefined();
    expect(sentTo(gpt)).toMatchObject({ temperature: 0.5 });
    const told = await door.chat(forwarding, { messages, model: "claude", seed: 7 });
    expect(told.headers["x-optamil-dropped-params"]).toBe("seed");
  });

  it("is refused by its name for a key that rejects, and nobody is called", async () => {
    const before = gpt.requests.length + claude.requests.length;
    for (const call of [door.chat, door.stream]) {
      const refusal = await refusalOf(call(rejecting, request));
      expect(refusal).toMatchObject({ type: "invalid_request_error", param: "temperature" });
      expect(refusal.message).toContain("parameter_policy");
      const untold = await refusalOf(call(rejecting, { messages, model: "claude", seed: 7 }));
      expect(untold).toMatchObject({ type: "invalid_request_error", param: "seed" });
    }
    expect(gpt.requests.length + claude.requests.length).toBe(before);
  });

  it("keeps its model from being picked for a key that rejects", async () => {
    const auto = { messages, model: "auto", optamil: { quality: 0 } };
    const picky = await keyWith("reject", ["auto", "plain", "claude"]);
    const cheapest = await door.chat(picky, auto);
    expect(cheapest.headers["x-optamil-model"]).toBe("plain");
    const other = await door.chat(picky, { ...auto, temperature: 0.5 });
    expect(other.headers["x-optamil-model"]).toBe("claude");
    const refusal = await refusalOf(door.chat(picky, { ...auto, temperature: 0.5, seed: 7 }));
    expect(refusal).toMatchObject({ type: "invalid_request_error" });
  });
});
