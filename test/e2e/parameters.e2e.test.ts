import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { playAnthropic } from "../fakes/anthropic-upstream.ts";
import { openUpstream, playOpenAi } from "../fakes/openai-upstream.ts";
import { bearer, doors, type Target } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { refusalOf } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const [claude, gpt] = await Promise.all([openUpstream(), openUpstream()]);
afterAll(() => Promise.all([claude.close(), gpt.close()]));
const gateway = await startGateway({
  config: {
    models: [
      { name: "plain", tier: "mid", unsupportedParameters: ["temperature"] },
      { name: "claude", tier: "ultra" },
    ],
    providers: [
      { name: "gpt", kind: "openai", baseUrl: gpt.baseUrl, models: ["plain"] },
      { name: "claude", kind: "anthropic", baseUrl: claude.baseUrl, models: ["claude"] },
    ],
  },
});
const first: Target = { url: gateway.url, headers: bearer(gateway.key) };
const messages = [{ role: "user", content: "Which city?" }];
const request = { messages, model: "plain", temperature: 0.5 };

async function keyWith(policy: string): Promise<Target> {
  const made = await sendHttp1(gateway.url, {
    ...{ path: "/v1/keys", method: "POST", headers: first.headers },
    body: { name: policy, parameter_policy: policy },
  });
  const { key, info } = JSON.parse(made.text);
  expect(info.parameter_policy).toBe(policy);
  return { url: gateway.url, headers: bearer(key) };
}

const [forwarding, rejecting] = [await keyWith("forward"), await keyWith("reject")];

beforeEach(() => {
  claude.play = playAnthropic;
  gpt.play = playOpenAi;
});

const sentTo = ({ requests }: typeof gpt) => JSON.parse(requests.at(-1)?.text ?? "{}");

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
    const cheapest = await door.chat(rejecting, auto);
    expect(cheapest.headers["x-optamil-model"]).toBe("plain");
    const other = await door.chat(rejecting, { ...auto, temperature: 0.5 });
    expect(other.headers["x-optamil-model"]).toBe("claude");
    const refusal = await refusalOf(door.chat(rejecting, { ...auto, temperature: 0.5, seed: 7 }));
    expect(refusal).toMatchObject({ type: "invalid_request_error" });
  });
});
