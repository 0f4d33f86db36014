/** Prompts and answers in spans: where the operator and the account have both switched it on, and nowhere else. */
import { afterAll, describe, expect, it } from "vitest";
import { openOtlpCollector } from "../fakes/otlp-collector.ts";
import { bearer, doors, type Target } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { everywhere } from "./gateway-fleet.ts";
import { sendHttp1 } from "./rest-client.ts";

const collector = await openOtlpCollector();
afterAll(collector.close);
const { endpoint } = collector;
const gateway = await startGateway({
  config: { telemetry: { endpoint, content: true, spansEveryMs: 50 } },
});
const admin = bearer(gateway.key);

async function call(method: string, path: string, target: Target, body?: object) {
  const { status, text } = await sendHttp1(target.url, {
    ...{ method, path, body },
    headers: target.headers,
  });
  return { status, body: JSON.parse(text) };
}

const untilKnown = (target: Target) => everywhere(() => call("GET", "/v1/account", target));

async function openAccount(spans: boolean): Promise<Target> {
  const owner = { url: gateway.url, headers: admin };
  const made = await call("POST", "/v1/admin/accounts", owner, { name: "test", plan: "pro" });
  const target = { url: gateway.url, headers: bearer(made.body.key) };
  if (spans) {
    const set = await call("PUT", "/v1/account/content", target, { keep: false, spans });
    expect(set).toMatchObject({ status: 200, body: { account: { content_spans: true } } });
    await untilKnown(target);
  }
  return target;
}

const ask = (content: string) => ({ model: "auto", messages: [{ role: "user", content }] });

async function attributesOf(requestId: string | undefined) {
  const find = () =>
    collector.spans.find(({ attributes }) => attributes["optamil.request.id"] === requestId);
  await expect.poll(find, { timeout: 15_000 }).toBeDefined();
  return find()?.attributes ?? {};
}

describe.each(doors)("a span of a request through $name", (door) => {
  it("has what was asked and answered, of an account that switched it on", async () => {
    const target = await openAccount(true);
    const text = `traced ${door.name}`;
    const whole = await door.chat(target, ask(text));
    const streamed = await door.stream(target, ask(text));
    for (const { headers } of [whole, streamed]) {
      const attributes = await attributesOf(headers["x-request-id"]);
      expect(JSON.parse(String(attributes["gen_ai.input.messages"]))).toEqual([
        { role: "user", parts: [{ type: "text", content: text }] },
      ]);
      const said = { type: "text", content: expect.stringContaining(`You wrote: "${text}"`) };
      expect(JSON.parse(String(attributes["gen_ai.output.messages"]))).toEqual([
        { role: "assistant", parts: [said], finish_reason: "stop" },
      ]);
    }
  });

  it("has nothing of it, of an account that did not", async () => {
    const target = await openAccount(false);
    const text = `untraced-${door.name.replaceAll(/\W/g, "")}`;
    const { headers } = await door.chat(target, ask(text));
    const attributes = await attributesOf(headers["x-request-id"]);
    expect(attributes).toHaveProperty("gen_ai.request.model");
    expect(attributes).not.toHaveProperty("gen_ai.input.messages");
    expect(collector.bodies.join("\n")).not.toContain(text);
  });
});

it("an account that switches it off has nothing in its spans from then on, and what is kept stays as it was", async () => {
  const target = await openAccount(true);
  await call("PUT", "/v1/account/content", target, { keep: true, days: 3 });
  const off = await call("PUT", "/v1/account/content", target, {
    ...{ keep: true, days: 3, spans: false },
  });
  expect(off.body.account).toMatchObject({ content_days: 3 });
  expect(off.body.account).not.toHaveProperty("content_spans");
  await untilKnown(target);
  for (const door of doors) {
    const { headers } = await door.chat(target, ask("switched off"));
    const attributes = await attributesOf(headers["x-request-id"]);
    expect(attributes).not.toHaveProperty("gen_ai.output.messages");
  }
});

it("is what the protocol and the conventions know", () => {
  expect(collector.problems).toEqual([]);
});

it("cannot be switched on where the operator has not", async () => {
  const plain = await startGateway({ config: { telemetry: { endpoint } } });
  const target = { url: plain.url, headers: bearer(plain.key) };
  const refused = await call("PUT", "/v1/account/content", target, { keep: false, spans: true });
  expect(refused).toMatchObject({ status: 400, body: { error: { param: "spans" } } });
  expect(refused.body.error.message).toContain("telemetry.content");
});
