import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { askWarehouse } from "../chaos/books.ts";
import { message, playAnthropic } from "../fakes/anthropic-upstream.ts";
import {
  chunk,
  completion,
  event,
  openUpstream,
  playJson,
  playOpenAi,
  playStream,
  usageChunk,
} from "../fakes/openai-upstream.ts";
import { bearer, type Door, doors, type Target } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { alone } from "./gateway-fleet.ts";
import { refusalOf } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const [claude, gpt, weak] = await Promise.all([openUpstream(), openUpstream(), openUpstream()]);
afterAll(() => Promise.all([claude.close(), gpt.close(), weak.close()]));
const gateway = await startGateway({
  config: {
    models: [
      { name: "instructed", tier: "mid" },
      { name: "either", tier: "mid" },
      { name: "weak", tier: "mid" },
      { name: "native", tier: "mid" },
    ],
    providers: [
      {
        ...{ name: "claude", kind: "anthropic", baseUrl: claude.baseUrl },
        models: ["instructed", { name: "either", weight: 1000 }],
      },
      {
        name: "gpt",
        kind: "openai",
        baseUrl: gpt.baseUrl,
        models: [{ name: "either", weight: 1 }, "native"],
      },
      { name: "weak", kind: "openai", baseUrl: weak.baseUrl, models: ["weak"] },
    ],
  },
});
const target: Target = { url: gateway.url, headers: bearer(gateway.key) };
const bern = '{"city":"Bern"}';
/** A conversation that begins at the heavier deployment of "either". */
const plain = {
  messages: [{ role: "user", content: "Which city?" }],
  user: "somebody",
};
const ask = { ...plain, response_format: { type: "json_object" } };

beforeEach(() => {
  claude.play = playAnthropic;
  gpt.play = playOpenAi;
});

const prose = () => playJson(200, message([{ type: "text", text: "It is Bern." }], "end_turn"));
const fenced = () =>
  playJson(200, message([{ type: "text", text: `\`\`\`json\n${bern}\n\`\`\`` }], "end_turn"));

/** The one usage event of a request: what became of it, what it cost, and what was tried in vain. */
async function eventOf({ headers }: { headers: Record<string, string> }) {
  const select = `SELECT outcome, toInt64(credits_micro) / 1000000 AS credits, provider, attempts.error_class AS tried
    FROM usage_events FINAL WHERE request_id = '${headers["x-request-id"]}'`;
  const events = () => askWarehouse<object>(gateway, select);
  await expect.poll(events, { timeout: 20_000, interval: 50 }).toHaveLength(1);
  return (await events())[0];
}

/** A stream of OpenAI's that says these pieces and then ends for a reason. */
const says = (pieces: string[], reason: string) =>
  playStream([
    event(chunk({ role: "assistant", content: "" })),
    ...pieces.map((content) => event(chunk({ content }))),
    event(chunk({}, reason)),
    event(usageChunk()),
    "data: [DONE]\n\n",
  ]);

const textOf = (chunks: Awaited<ReturnType<Door["stream"]>>["body"]) =>
  chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");

describe.each(doors)("$name, asked for JSON,", (door) => {
  it("gives what is in a fence, whole or streamed, once and for one charge", async () => {
    claude.play = fenced();
    const whole = await door.chat(target, { ...ask, model: "instructed" });
    expect(whole.body.choices[0]?.message.content).toBe(bern);
    const streamed = await door.stream(target, { ...ask, model: "instructed" });
    expect(textOf(streamed.body)).toBe(bern);
    expect(streamed.body.at(-1)?.choices[0]?.finish_reason).toBe("stop");
    const served = { credits: 1, provider: "claude", tried: [] };
    expect(await eventOf(whole)).toMatchObject({ outcome: "ok", ...served });
    expect(await eventOf(streamed)).toMatchObject({ outcome: "stream_ok", ...served });
  });

  it("asks another deployment when the first one gives prose, for one charge", async () => {
    claude.play = prose();
    gpt.play = playJson(200, completion(bern));
    const whole = await door.chat(target, { ...ask, model: "either" });
    expect(whole.body.choices[0]?.message.content).toBe(bern);
    expect(whole.headers["x-optamil-provider"]).toBe("gpt");
    expect(await eventOf(whole)).toMatchObject({
      ...{ outcome: "ok", credits: 1, provider: "gpt", tried: ["invalid_json"] },
    });
  });

  it("gives no prose as a success, and charges nothing for it", async () => {
    claude.play = prose();
    const calls = [
      () => door.chat(target, { ...ask, model: "instructed" }),
      () => door.stream(target, { ...ask, model: "instructed" }),
    ];
    for (const call of calls) {
      const refusal = await refusalOf(call());
      expect(refusal).toMatchObject({ type: "service_unavailable", param: null });
      expect(refusal.message).toContain("response_format");
      expect(await eventOf(refusal)).toMatchObject({
        outcome: "upstream_error",
        credits: 0,
      });
    }
  });

  it.each([
    ["whole JSON", ['{"city":', '"Bern"}'], "stop", bern],
    ["what the length has cut", ['{"city":', '"Be'], "length", '{"city":"Be'],
  ])("passes on %s of a model with a mode for it", async (_what, pieces, reason, text) => {
    gpt.play = says(pieces, reason);
    const streamed = await door.stream(target, { ...ask, model: "native" });
    expect(textOf(streamed.body)).toBe(text);
    expect(await eventOf(streamed)).toMatchObject({
      ...{ outcome: "stream_ok", credits: 1, provider: "gpt" },
    });
  });

  it("names the parameters that the model's API cannot be told, whole or streamed", async () => {
    const request = {
      messages: plain.messages,
      model: "instructed",
      seed: 7,
      logit_bias: { "1": 1 },
    };
    for (const call of [door.chat, door.stream]) {
      const { headers } = await call(target, request);
      expect(headers["x-optamil-dropped-params"]).toBe("logit_bias,seed");
    }
    const told = await door.chat(target, { ...plain, model: "either", seed: 7 });
    expect(told.headers["x-optamil-dropped-params"]).toBe("seed");
  });
});

/** Streams that are no JSON: one of which the client has seen a part, and one that was found out before. */
const half = { what: "that breaks off within its JSON", pieces: ['{"city":', '"Be'] };
const spoken = { what: "of prose", pieces: ["It is Bern."] };
const broken = [
  { ...half, event: { outcome: "upstream_partial", credits: 0, provider: "gpt" } },
  { ...spoken, event: { outcome: "upstream_error", credits: 0, provider: "" } },
];

describe.each(doors.filter(({ kind }) => kind === "rpc"))("$name, asked for JSON,", (door) => {
  it.each(broken)("fails a stream $what, free of charge", async ({ pieces, event }) => {
    gpt.play = says(pieces, "stop");
    const refusal = await refusalOf(door.stream(target, { ...ask, model: "native" }));
    expect(refusal).toMatchObject({ type: "service_unavailable", param: null });
    expect(refusal.message).toContain("response_format");
    expect(await eventOf(refusal)).toMatchObject(event);
  });
});

const streamed = { path: "/v1/chat/completions", headers: target.headers };

it("a stream that breaks off within its JSON ends over REST with an error frame, free of charge", async () => {
  gpt.play = says(half.pieces, "stop");
  const body = { ...ask, model: "native", stream: true };
  const reply = await sendHttp1(gateway.url, { ...streamed, body });
  expect(reply.status).toBe(200);
  const frames = reply.text.split("\n\n").flatMap((frame) => frame.split("data: ").slice(1));
  const values = frames.map((frame) => JSON.parse(frame));
  const said = values.map(({ choices }) => choices?.[0]?.delta.content ?? "").join("");
  expect(said).toBe('{"city":"Be');
  expect(values.at(-1)).toMatchObject({
    error: { type: "service_unavailable", param: null, code: 503 },
  });
  expect(await eventOf(reply)).toMatchObject(broken[0]?.event ?? {});
});

it("a stream of prose, whose role came first, is refused over REST before anything was sent", async () => {
  gpt.play = says(spoken.pieces, "stop");
  const body = { ...ask, model: "native", stream: true };
  const reply = await sendHttp1(gateway.url, { ...streamed, body });
  expect(reply).toMatchObject({ status: 503 });
  expect(JSON.parse(reply.text)).toMatchObject({ error: { code: 503, param: null } });
  expect(await eventOf(reply)).toMatchObject(broken[1]?.event ?? {});
});

alone("each replica finds out for itself", () =>
  it("a deployment that fails five times is not asked for two seconds, and answers again afterwards", async () => {
    weak.play = playJson(500, { error: { message: "no" } });
    const send = () =>
      sendHttp1(gateway.url, {
        ...{ path: "/v1/chat/completions", headers: target.headers },
        body: { model: "weak", messages: plain.messages },
      });
    for (let count = 0; count < 5; count += 1) expect((await send()).status).toBe(503);
    const asked = weak.requests.length;
    const refused = await send();
    expect(refused.status).toBe(503);
    expect(Number(refused.headers["retry-after"])).toBeLessThanOrEqual(2);
    expect(weak.requests).toHaveLength(asked);
    weak.play = playOpenAi;
    await expect
      .poll(async () => (await send()).status, { timeout: 20_000, interval: 100 })
      .toBe(200);
  }),
);
