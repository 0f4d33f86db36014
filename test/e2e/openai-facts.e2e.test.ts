import { afterAll, describe, expect, it } from "vitest";
import { playAnthropic } from "../fakes/anthropic-upstream.ts";
import { playGemini } from "../fakes/gemini-upstream.ts";
import { openUpstream, playOpenAi } from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import {
  chunkFacts,
  completionFacts,
  errorFacts,
  type Fact,
  flawsOf,
  modelListFacts,
} from "./openai-facts.ts";
import { sendHttp1 } from "./rest-client.ts";

const upstreams = {
  verbatim: await openUpstream(playOpenAi),
  normalised: await openUpstream(playOpenAi),
  anthropic: await openUpstream(playAnthropic),
  gemini: await openUpstream(playGemini),
};
afterAll(() => Promise.all(Object.values(upstreams).map((upstream) => upstream.close())));

const names = [...Object.keys(upstreams), "demo"];
const gateway = await startGateway({
  config: {
    models: names.map((name) => ({ name: `${name}-model`, tier: "mid" })),
    providers: [
      ...Object.entries(upstreams).map(([name, { baseUrl }]) => ({
        ...{ name, baseUrl, models: [`${name}-model`] },
        kind: name === "anthropic" || name === "gemini" ? name : "openai",
        ...(name === "normalised" && { relay: "normalised" }),
      })),
      { name: "demo", kind: "demo", models: ["demo-model"] },
    ],
  },
});

function send(path: string, body?: object) {
  return sendHttp1(gateway.url, { path, headers: bearer(gateway.key), ...(body && { body }) });
}

const tool = { type: "function", function: { name: "get", parameters: { type: "object" } } };
/** What is asked for, by the member of the answer that shows it. */
const asks = {
  content: {},
  tool_calls: { tools: [tool], tool_choice: "required" },
};

describe.each(names)("what a %s provider answers is as OpenAI's reference says,", (name) => {
  it.each(Object.entries(asks))("whole, with %s", async (member, change) => {
    const messages = [{ role: "user", content: "Which city?" }];
    const { status, text } = await send("/v1/chat/completions", {
      ...{ model: `${name}-model`, messages },
      ...change,
    });
    expect(status).toBe(200);
    const body = JSON.parse(text);
    expect(body.choices[0].message[member]).toBeTruthy();
    expect(flawsOf(body, completionFacts)).toEqual([]);
  });

  it.each(Object.entries(asks))("in every chunk of a stream, with %s", async (member, change) => {
    const messages = [{ role: "user", content: "Which city?" }];
    const body = { model: `${name}-model`, messages, stream: true, ...change };
    for (const options of [{}, { stream_options: { include_usage: true } }]) {
      const { status, text } = await send("/v1/chat/completions", { ...body, ...options });
      expect(status).toBe(200);
      const lines = text.split("\n").filter((line) => line.startsWith("data: "));
      const chunks = lines.map((line) => line.slice("data: ".length));
      expect(chunks.pop()).toBe("[DONE]");
      expect(chunks.length).toBeGreaterThan(1);
      const bodies = chunks.map((chunk) => JSON.parse(chunk));
      expect(bodies.some(({ choices }) => choices[0]?.delta[member])).toBe(true);
      expect(bodies.flatMap((one) => flawsOf(one, chunkFacts))).toEqual([]);
    }
  });
});

it("the list of models is as OpenAI's reference says", async () => {
  const { text } = await send("/v1/models");
  expect(JSON.parse(text).data.length).toBeGreaterThanOrEqual(names.length);
  expect(flawsOf(JSON.parse(text), modelListFacts)).toEqual([]);
});

it.each([
  ["a request without messages", { model: "demo-model" }, 400],
  ["a model that there is not", { model: "none", messages: [{ role: "user", content: "a" }] }, 404],
])("the error of %s is as OpenAI's reference says", async (_what, body, wanted) => {
  const { status, text } = await send("/v1/chat/completions", body);
  expect(status).toBe(wanted);
  expect(flawsOf(JSON.parse(text), errorFacts)).toEqual([]);
});

describe("the facts find", () => {
  const whole = { id: "a", object: "list", data: [{ object: "model", created: 1.5 }] };

  it.each<[string, unknown, readonly Fact[], string[]]>([
    [
      "what is missing, of another type or another value",
      whole,
      modelListFacts,
      ["data[].id is missing", "data[].created is of type number", "data[].owned_by is missing"],
    ],
    [
      "what is null",
      { error: { message: null, type: "a", param: null, code: 4 } },
      errorFacts,
      ["error.message is null"],
    ],
    ["nothing in an empty array", { object: "list", data: [] }, modelListFacts, []],
  ])("%s", (_what, body, facts, flaws) => {
    expect(flawsOf(body, facts)).toEqual(flaws);
  });
});
