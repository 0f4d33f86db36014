import { createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, describe, expect, it } from "vitest";
import { ResponseService } from "../../src/gen/optamil/v1/responses_pb.ts";
import {
  message,
  messageEnd,
  messageStart,
  named,
  playAnthropic,
  textBlock,
} from "../fakes/anthropic-upstream.ts";
import { playClients } from "../fakes/client-upstream.ts";
import { playGemini, response } from "../fakes/gemini-upstream.ts";
import {
  chunk,
  completion,
  event,
  openUpstream,
  type Play,
  playJson,
  playStream,
  usageChunk,
} from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { fromRow, readRefusal, refusalOf, rows } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";

const openai = await openUpstream(playClients);
const anthropic = await openUpstream(playAnthropic);
const gemini = await openUpstream(playGemini);
afterAll(() => Promise.all([openai.close(), anthropic.close(), gemini.close()]));
const gateway = await startGateway({
  config: {
    models: [
      ...["lab", "claude", "gemini"].map((name) => ({ name, tier: "free" })),
      { name: "plain", tier: "free", unsupportedParameters: ["reasoning_effort"] },
    ],
    providers: [
      { name: "lab", kind: "openai", baseUrl: openai.baseUrl, models: ["lab", "plain"] },
      { name: "claude", kind: "anthropic", baseUrl: anthropic.baseUrl, models: ["claude"] },
      { name: "gemini", kind: "gemini", baseUrl: gemini.baseUrl, models: ["gemini"] },
      { name: "demo", kind: "demo", models: ["claude-sonnet-4"] },
    ],
  },
});
const headers = bearer(gateway.key);
const path = "/v1/responses";
const hello = "Say hello.";

const send = (body: object, more: Record<string, string> = {}) =>
  sendHttp1(gateway.url, { path, headers: { ...headers, ...more }, body });
const ask = (body: object) => send({ model: "lab", input: hello, ...body });

async function asked(body: object) {
  const reply = await ask(body);
  expect(reply.status, reply.text).toBe(200);
  return JSON.parse(reply.text);
}

/** What the upstream is sent for a request. */
async function sent(body: object, upstream = openai) {
  await asked(body);
  return JSON.parse(upstream.requests.at(-1)?.text ?? "");
}

/** The answer while an upstream plays something. */
async function played(upstream: typeof openai, play: Play, body: object): Promise<string> {
  const before = upstream.play;
  upstream.play = play;
  try {
    return (await ask(body)).text;
  } finally {
    upstream.play = before;
  }
}

const streamOf = (play: Play, body: object = {}) => played(openai, play, { stream: true, ...body });
const eventsIn = (text: string) =>
  text.split("\n\n").flatMap((frame) => {
    const [, name, data = ""] = frame.match(/^event: (\S+)\ndata: (.*)$/) ?? [];
    return name === undefined ? [] : [{ ...JSON.parse(data), name }];
  });
const completionOf = (choice: object) =>
  playJson(200, completion("", { choices: [{ index: 0, logprobs: null, ...choice }] }));
const assistant = { role: "assistant", content: null, refusal: null };

const usage = (input: number, output: number, cached = 0, written = 0, reasoning = 0) => ({
  input_tokens: input,
  input_tokens_details: { cached_tokens: cached, cache_write_tokens: written },
  output_tokens: output,
  output_tokens_details: { reasoning_tokens: reasoning },
  total_tokens: input + output,
});
const textPart = (text: string, logprobs: object[] = []) => ({
  ...{ type: "output_text", text, annotations: [], logprobs },
});
const said = (id: string, content: object[], status = "completed") => ({
  ...{ id, type: "message", status, role: "assistant", content },
});
const call = (id: string, city: string, args: string, status = "completed") => ({
  ...{ id, type: "function_call", status, call_id: `call_${city}` },
  ...{ name: "get_weather", arguments: args },
});

/** The response object of a request that sets nothing. */
const frame = {
  ...{ id: "resp_upstream", object: "response", created_at: 1_700_000_000, status: "completed" },
  ...{ background: false, error: null, incomplete_details: null, instructions: null },
  ...{ max_output_tokens: null, model: "lab", output: [] as object[], parallel_tool_calls: true },
  ...{ previous_response_id: null, reasoning: { effort: null, summary: null }, store: false },
  ...{ temperature: null, text: { format: { type: "text" } }, tool_choice: "auto" },
  ...{ tools: [] as object[], top_p: null, truncation: "disabled", usage: null as object | null },
  metadata: {},
};

type Event = { readonly type: string } & Readonly<Record<string, unknown>>;

/** The bytes of events, numbered; all but those of the response itself are about an item. */
function bytesOf(events: readonly Event[]): string {
  return events
    .map(({ type, ...rest }, at) => named({ type, sequence_number: at, ...rest }))
    .join("");
}
const begun = (more: object = {}) => {
  const began = { ...frame, ...more, status: "in_progress" };
  return [
    { type: "response.created", response: began },
    { type: "response.in_progress", response: began },
  ];
};
const of = (type: string, item_id: string, output_index: number, more: object) => ({
  ...{ type: `response.${type}`, item_id, output_index },
  ...more,
});
const item = (type: "added" | "done", output_index: number, one: object) => ({
  ...{ type: `response.output_item.${type}`, output_index, item: one },
});
/** The events of a message of one text. */
const textEvents = (at: number, pieces: readonly string[], status = "completed") => {
  const id = `msg_upstream_${at}`;
  const text = pieces.join("");
  const place = { content_index: 0 };
  return [
    item("added", at, said(id, [], "in_progress")),
    of("content_part.added", id, at, { ...place, part: textPart("") }),
    ...pieces.map((delta) => of("output_text.delta", id, at, { ...place, delta, logprobs: [] })),
    of("output_text.done", id, at, { ...place, text, logprobs: [] }),
    of("content_part.done", id, at, { ...place, part: textPart(text) }),
    item("done", at, said(id, [textPart(text)], status)),
  ];
};

describe("a response", () => {
  it("is the answer of any provider, with the gateway's own headers", async () => {
    const reply = await ask({});
    expect(JSON.parse(reply.text)).toEqual({
      ...frame,
      output: [said("msg_upstream_0", [textPart("Hello from the lab \u{1F642}!")])],
      usage: usage(7, 3),
    });
    expect(reply.headers).toMatchObject({
      "content-type": "application/json",
      "x-optamil-model": "lab",
      "x-optamil-credits": "1",
    });
    expect(reply.headers).not.toHaveProperty("x-optamil-dropped-params");
  });

  it("repeats what it was asked for", async () => {
    const tool = { type: "function", name: "get", parameters: { type: "object" }, strict: true };
    const same = {
      ...{ instructions: "Be brief.", max_output_tokens: 50, temperature: 0.5, top_p: 0.9 },
      ...{ metadata: { a: "b" }, tools: [tool], tool_choice: "none", parallel_tool_calls: false },
      ...{ reasoning: { effort: "low", summary: "auto" }, text: { format: { type: "text" } } },
      ...{ safety_identifier: "s1", prompt_cache_key: "k1", user: "u1", top_logprobs: 2 },
    };
    expect(await asked(same)).toMatchObject(same);
  });

  it("has its calls as items", async () => {
    const tools = [{ type: "function", name: "get_weather", parameters: { type: "object" } }];
    const { output, status } = await asked({ tools });
    expect(output).toEqual([
      call("fc_upstream_0", "Paris", '{"city":"Paris"}'),
      call("fc_upstream_1", "Rome", '{"city":"Rome"}'),
    ]);
    expect(status).toBe("completed");
  });

  it("counts what the cache held as a part of the input", async () => {
    expect((await asked({ model: "claude" })).usage).toEqual(usage(7, 3, 2, 1));
    expect((await asked({ model: "gemini" })).usage).toMatchObject({
      ...{ input_tokens: 7, input_tokens_details: { cached_tokens: 4 } },
      output_tokens_details: { reasoning_tokens: 2 },
    });
  });

  it("comes for auto from the model that the router picks for the quality asked for", async () => {
    const best = { ...{ model: "auto", input: hello }, optamil: { quality: 1 } };
    const reply = await send(best);
    expect(JSON.parse(reply.text).model).toBe(reply.headers["x-optamil-model"]);
    expect(reply.headers["x-optamil-route"]).toContain("quality=1.00");
    const { optamil: _, ...plain } = best;
    const cheap = await send(plain, { "x-optamil-quality": "0" });
    expect(cheap.headers["x-optamil-route"]).toContain("quality=0.00");
  });

  it.each([
    ["stop", "completed", null],
    ["tool_calls", "completed", null],
    ["length", "incomplete", { reason: "max_output_tokens" }],
    ["content_filter", "incomplete", { reason: "content_filter" }],
  ])("that ended by %s is %s", async (finish_reason, status, incomplete_details) => {
    const choice = completionOf({ message: { ...assistant, content: "x" }, finish_reason });
    const ended = JSON.parse(await played(openai, choice, {}));
    expect(ended).toMatchObject({ status, incomplete_details });
    expect(ended.output).toEqual([said("msg_upstream_0", [textPart("x")], status)]);
  });

  it("shows a refusal as a part of its own", async () => {
    const choice = { message: { ...assistant, refusal: "No." }, finish_reason: "stop" };
    const { output } = JSON.parse(await played(openai, completionOf(choice), {}));
    expect(output).toEqual([said("msg_upstream_0", [{ type: "refusal", refusal: "No." }])]);
  });

  it("shows the reasoning as its text, or as a summary for who asks for one", async () => {
    const inner = { ...assistant, content: "Yes", reasoning_content: "Hm." };
    const play = completionOf({ message: inner, finish_reason: "stop" });
    const reasoned = { id: "rs_upstream_0", type: "reasoning", status: "completed" };
    const answer = said("msg_upstream_1", [textPart("Yes")]);
    expect(JSON.parse(await played(openai, play, {})).output).toEqual([
      { ...reasoned, summary: [], content: [{ type: "reasoning_text", text: "Hm." }] },
      answer,
    ]);
    const summed = await played(openai, play, { reasoning: { summary: "auto" } });
    expect(JSON.parse(summed).output).toEqual([
      { ...reasoned, summary: [{ type: "summary_text", text: "Hm." }] },
      answer,
    ]);
  });

  it("has the log probabilities of its tokens, if they are asked for", async () => {
    const logprob = { token: "Hi", bytes: null, logprob: -0.5, top_logprobs: [] };
    const choice = {
      ...{ message: { ...assistant, content: "Hi" }, finish_reason: "stop" },
      logprobs: { content: [logprob], refusal: null },
    };
    const include = ["message.output_text.logprobs"];
    const { output } = JSON.parse(await played(openai, completionOf(choice), { include }));
    expect(output[0].content).toEqual([textPart("Hi", [logprob])]);
    expect(JSON.parse(openai.requests.at(-1)?.text ?? "")).toMatchObject({ logprobs: true });
  });
});

describe("a request for a response", () => {
  const image = "data:image/png;base64,iVBORw0KGgo=";

  it("reaches an OpenAI-compatible provider as a chat request", async () => {
    const body = await sent({
      instructions: "Be brief.",
      input: [
        { role: "developer", content: [{ type: "input_text", text: "Be kind." }] },
        {
          ...{ type: "message", role: "user" },
          content: [
            { type: "input_image", image_url: image, detail: "low" },
            {
              type: "input_file",
              file_data: "data:application/pdf;base64,eA==",
              filename: "a.pdf",
            },
            { type: "input_text", text: "What?" },
          ],
        },
        { id: "rs_1", type: "reasoning", summary: [{ type: "summary_text", text: "Hm." }] },
        said("msg_1", [textPart("I look.")]),
        { type: "function_call", call_id: "c1", name: "get", arguments: '{"a":1}', id: "fc_1" },
        {
          ...{ type: "function_call", call_id: "c2", name: "get", arguments: "{}" },
          ...{ namespace: null, caller: { type: "direct" }, created_by: "x", "x-mark": null },
        },
        { type: "function_call_output", call_id: "c1", output: "18" },
        {
          type: "function_call_output",
          call_id: "c2",
          output: [{ type: "input_text", text: "19" }],
        },
        said("msg_2", [textPart("18 and 19.")]),
        { role: "user", content: "And?" },
      ],
      tools: [
        {
          ...{ type: "function", name: "get", description: "Gets.", strict: true },
          parameters: { type: "object" },
        },
      ],
      tool_choice: { type: "function", name: "get" },
      ...{ parallel_tool_calls: false, max_output_tokens: 50, temperature: 0.5, top_p: 0.9 },
      ...{ user: "u1", safety_identifier: "s1", prompt_cache_key: "k1", service_tier: "flex" },
      ...{ reasoning: { effort: "low" }, text: { verbosity: "low" }, metadata: { a: "b" } },
      ...{ store: false, background: false, truncation: "disabled", presence_penalty: 1, top_k: 7 },
    });
    const made = (id: string, args: string) => ({
      ...{ id, type: "function", function: { name: "get", arguments: args } },
    });
    const file = { file_data: "data:application/pdf;base64,eA==", filename: "a.pdf" };
    expect(body).toEqual({
      model: "lab",
      messages: [
        { role: "system", content: "Be brief." },
        { role: "developer", content: "Be kind." },
        {
          role: "user",
          content: [
            { type: "image_url", image_url: { url: image, detail: "low" } },
            { type: "file", file },
            { type: "text", text: "What?" },
          ],
        },
        {
          ...{ role: "assistant", content: "I look.", reasoning_content: "Hm." },
          tool_calls: [made("c1", '{"a":1}'), made("c2", "{}")],
        },
        { role: "tool", content: "18", tool_call_id: "c1" },
        { role: "tool", content: "19", tool_call_id: "c2" },
        { role: "assistant", content: "18 and 19." },
        { role: "user", content: "And?" },
      ],
      ...{ max_completion_tokens: 50, temperature: 0.5, top_p: 0.9, top_k: 7 },
      ...{ user: "u1", safety_identifier: "s1", prompt_cache_key: "k1", service_tier: "flex" },
      ...{
        presence_penalty: 1,
        reasoning_effort: "low",
        verbosity: "low",
        parallel_tool_calls: false,
      },
      tools: [
        {
          type: "function",
          function: {
            ...{ name: "get", description: "Gets.", strict: true },
            parameters: { type: "object" },
          },
        },
      ],
      tool_choice: { type: "function", function: { name: "get" } },
    });
  });

  it("asks for JSON of a schema, and for any object", async () => {
    const schema = { type: "object", properties: { age: { type: "integer" } } };
    const format = { type: "json_schema", name: "person", schema, strict: true };
    const { output } = await asked({ text: { format } });
    expect(output[0].content[0].text).toBe('{"name":"Ada","age":36}');
    expect(JSON.parse(openai.requests.at(-1)?.text ?? "").response_format).toEqual({
      type: "json_schema",
      json_schema: { name: "person", schema, strict: true },
    });
    const play = completionOf({ message: { ...assistant, content: "{}" }, finish_reason: "stop" });
    await played(openai, play, { text: { format: { type: "json_object" } } });
    const { response_format } = JSON.parse(openai.requests.at(-1)?.text ?? "");
    expect(response_format).toEqual({ type: "json_object" });
  });

  it("that allows some tools alone gives the model only those", async () => {
    const tools = ["get", "put"].map((name) => ({ type: "function", name }));
    const allowed = { type: "allowed_tools", mode: "required" };
    const tool_choice = { ...allowed, tools: [{ type: "function", name: "put" }] };
    const body = await sent({ tools, tool_choice });
    expect(body.tools).toEqual([{ type: "function", function: { name: "put" } }]);
    expect(body.tool_choice).toBe("required");
  });

  it("says nothing of choices where there are no tools, as chat APIs refuse that", async () => {
    const body = await sent({ tools: [], tool_choice: "auto", parallel_tool_calls: true });
    const messages = [{ role: "user", content: hello }];
    expect(body).toEqual({ model: "lab", messages });
  });

  const inItem = (one: object) => ({ input: [one] });
  const inPart = (part: object) => inItem({ role: "user", content: [part] });
  type Wrong = [change: object, place: string];
  it.each<Wrong>([
    [{ input: undefined }, "input"],
    [{ input: [] }, "input"],
    [{ max_output_tokens: 0 }, "max_output_tokens"],
    [{ temperature: 2.5 }, "temperature"],
    [{ include: ["everything"] }, "include[0]"],
    [{ previous_response_id: "resp_1" }, "previous_response_id"],
    [{ conversation: "conv_1" }, "conversation"],
    [{ conversation: { id: "conv_1" } }, "conversation"],
    [{ background: true }, "background"],
    [{ prompt: { id: "pmpt_1" } }, "prompt"],
    [inItem({ role: "tool", content: "x" }), "input[0].role"],
    [inItem({ role: "user" }), "input[0].content"],
    [inItem({ type: "message", content: "x" }), "input[0].role"],
    [inItem({ type: "item_reference", id: "msg_1" }), "input[0]"],
    [inItem({ id: "msg_1" }), "input[0]"],
    [inItem({ type: "web_search_call", id: "ws_1" }), "input[0].type"],
    [inItem({ type: "function_call", name: "get", arguments: "{}" }), "input[0].call_id"],
    [inItem({ type: "function_call_output", output: "x" }), "input[0].call_id"],
    [inPart({ type: "video" }), "input[0].content[0].type"],
    [inPart({ type: "input_text" }), "input[0].content[0].text"],
    [inPart({ type: "input_image" }), "input[0].content[0].image_url"],
    [inPart({ type: "input_image", file_id: "file_1" }), "input[0].content[0].file_id"],
    [{ tools: [{ type: "function" }] }, "tools[0].name"],
    [{ tools: [{ type: "custom" }] }, "tools[0].name"],
    [{ tool_choice: { type: "web_search" } }, "tool_choice.type"],
    [{ tool_choice: { type: "function" } }, "tool_choice.name"],
    [{ tool_choice: { type: "allowed_tools", mode: "none", tools: [] } }, "tool_choice.mode"],
    [
      { tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ name: "x" }] } },
      "tool_choice.tools",
    ],
    [{ text: { format: { type: "json_schema" } } }, "text.format"],
    ...["web_search", "file_search", "computer_use_preview", "mcp", "code_interpreter"].map(
      (type): Wrong => [{ tools: [{ type }] }, "tools[0].type"],
    ),
  ])(
    "that is wrong, or for OpenAI's own servers, is refused by its place: %j",
    async (change, place) => {
      const refusal = readRefusal(await ask(change));
      expect(refusal).toMatchObject({ ...fromRow(rows.invalid, "rest"), param: place });
      expect(refusal.message).toContain(`'${place}'`);
    },
  );

  it("that is too long for every model says so of the input", async () => {
    const refusal = readRefusal(await ask({ model: "auto", max_output_tokens: 2_000_000_000 }));
    expect(refusal).toMatchObject({ ...fromRow(rows.tooLong, "rest"), param: "input" });
  });

  it("may say null of what it does not want", async () => {
    const nothing = { previous_response_id: null, conversation: null, background: null };
    expect(await asked({ ...nothing, prompt: null, tools: null, text: null })).toEqual({
      ...frame,
      output: expect.any(Array),
      usage: usage(7, 3),
    });
  });
});

describe("a tool that takes a text", () => {
  const grammar = { type: "grammar", syntax: "lark", definition: "start: /.+/" };
  const patch = { type: "custom", name: "patch", description: "Patches.", format: grammar };
  const asFunction = {
    name: "patch",
    description: "Patches.\n\nThe input keeps to this lark grammar:\nstart: /.+/",
    parameters: {
      ...{ type: "object", required: ["input"], additionalProperties: false },
      properties: { input: { type: "string", description: "The input, as it is." } },
    },
  };
  const called = { type: "custom_tool_call", call_id: "c1", name: "patch", input: "a\nb" };
  const made = { name: "patch", arguments: '{"input":"a\\nb"}' };
  const tool_calls = [{ id: "c1", type: "function", function: made }];

  it("is a function of one text to every provider", async () => {
    const input = [
      { role: "user", content: "Patch it." },
      called,
      { type: "custom_tool_call_output", call_id: "c1", output: "done" },
    ];
    const tool_choice = { type: "custom", name: "patch" };
    const body = await sent({ input, tools: [patch], tool_choice });
    expect(body.tools).toEqual([{ type: "function", function: asFunction }]);
    expect(body.tool_choice).toEqual({ type: "function", function: { name: "patch" } });
    expect(body.messages.slice(1)).toEqual([
      { role: "assistant", tool_calls },
      { role: "tool", tool_call_id: "c1", content: "done" },
    ]);
    const { tools } = await sent({ model: "claude", tools: [patch] }, anthropic);
    const { parameters, ...rest } = asFunction;
    expect(tools).toEqual([{ ...rest, input_schema: parameters }]);
  });

  it("is called with its text, whole and in a stream", async () => {
    const id = "ctc_upstream_0";
    const item0 = { id, status: "completed", ...called };
    const choice = { message: { ...assistant, tool_calls }, finish_reason: "tool_calls" };
    const whole = JSON.parse(await played(openai, completionOf(choice), { tools: [patch] }));
    expect(whole).toMatchObject({ tools: [patch], output: [item0] });
    const delta = (args: string, more: object = {}) =>
      chunk({ tool_calls: [{ index: 0, ...more, function: { arguments: args, ...more } }] });
    const first = delta('{"input":', { id: "c1", type: "function", name: "patch" });
    const pieces = [first, delta('"a\\n'), delta('b"}'), chunk({}, "tool_calls")].map(event);
    const play = playStream([...pieces, "data: [DONE]\n\n"]);
    const events = eventsIn(await streamOf(play, { tools: [patch] }));
    const place = { item_id: id, output_index: 0 };
    expect(events.slice(2)).toMatchObject([
      { type: "response.output_item.added", item: { ...item0, status: "in_progress", input: "" } },
      { type: "response.custom_tool_call_input.delta", ...place, delta: "a\nb" },
      { type: "response.custom_tool_call_input.done", ...place, input: "a\nb" },
      { type: "response.output_item.done", output_index: 0, item: item0 },
      { type: "response.completed", response: { output: [item0] } },
    ]);
  });

  it("gets the whole text of a model that does not keep to the form", async () => {
    const free = [{ id: "c1", type: "function", function: { name: "patch", arguments: "a b" } }];
    const choice = { message: { ...assistant, tool_calls: free }, finish_reason: "tool_calls" };
    const { output } = JSON.parse(await played(openai, completionOf(choice), { tools: [patch] }));
    expect(output).toMatchObject([{ type: "custom_tool_call", input: "a b" }]);
  });
});

describe("a parameter without an effect", () => {
  it("is told in the header by the name that the client used", async () => {
    const reply = await ask({
      ...{ model: "plain", reasoning: { effort: "low", context: "auto" } },
      ...{ store: true, truncation: "auto", max_tool_calls: 3, seed: 7 },
      include: ["file_search_call.results"],
    });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.headers["x-optamil-dropped-params"]).toBe(
      "include,max_tool_calls,reasoning.context,reasoning.effort,seed,store,truncation",
    );
  });

  it.each([
    [{ model: "plain", reasoning: { effort: "low" } }, /'plain' does not take 'reasoning\.effort'/],
    [{ model: "lab", store: true }, /'store' has no effect here/],
  ])("is refused for a key that rejects: %j", async (change, told) => {
    const made = await sendHttp1(gateway.url, {
      ...{ path: "/v1/keys", headers },
      body: { name: "strict", scopes: ["chat"], parameter_policy: "reject" },
    });
    const { key } = JSON.parse(made.text);
    const { code, message: why } = readRefusal(
      await send({ input: hello, ...change }, bearer(key)),
    );
    expect(code).toBe(400);
    expect(why).toMatch(told);
  });
});

describe("reasoning that its provider signed", () => {
  const thought = { type: "thinking", thinking: "Hm.", signature: "c2ln" };
  const hidden = { type: "redacted_thinking", data: "eHh4" };
  const use = { type: "tool_use", id: "t1", name: "get", input: {} };
  const tools = [{ type: "function", name: "get", parameters: { type: "object" } }];

  const begin = (index: number, content_block: object) =>
    named({ type: "content_block_start", index, content_block });
  const delta = (index: number, inner: object) =>
    named({ type: "content_block_delta", index, delta: inner });
  const stop = (index: number) => named({ type: "content_block_stop", index });
  const pieces = [
    messageStart(),
    begin(0, { type: "thinking", thinking: "", signature: "" }),
    delta(0, { type: "thinking_delta", thinking: "Hm." }),
    delta(0, { type: "signature_delta", signature: "c2ln" }),
    ...[stop(0), begin(1, hidden), stop(1), begin(2, use), stop(2)],
    ...messageEnd("tool_use"),
  ];

  async function goOn(output: object[]) {
    const result = { type: "function_call_output", call_id: "t1", output: "18" };
    const input = [{ role: "user", content: "Get it." }, ...output, result];
    return sent({ model: "claude", input, tools }, anthropic);
  }

  it("goes to the client sealed and back to the provider as it was, whole and in a stream", async () => {
    const play = playJson(200, message([thought, hidden, use], "tool_use"));
    const whole = JSON.parse(await played(anthropic, play, { model: "claude", tools }));
    expect(whole.output[0]).toMatchObject({
      type: "reasoning",
      encrypted_content: expect.any(String),
    });
    const { messages } = await goOn(whole.output);
    expect(messages[1]).toEqual({ role: "assistant", content: [thought, hidden, use] });

    const asks = { model: "claude", tools, stream: true };
    const streamed = eventsIn(await played(anthropic, playStream(pieces), asks)).at(-1);
    expect(streamed.response.output).toEqual(whole.output);
  });

  it("is left out for another provider, and told in the header by the client's name", async () => {
    const play = playJson(200, message([thought, use], "tool_use"));
    const { output } = JSON.parse(await played(anthropic, play, { model: "claude", tools }));
    const result = { type: "function_call_output", call_id: "t1", output: "18" };
    const reply = await ask({ input: [{ role: "user", content: "Get it." }, ...output, result] });
    expect(reply.headers["x-optamil-dropped-params"]).toBe("input.encrypted_content");
    const [, answer] = JSON.parse(openai.requests.at(-1)?.text ?? "").messages;
    expect(answer).not.toHaveProperty("thinking_blocks");
    expect(answer.reasoning_content).toBe("Hm.");
  });

  it("of another server is left out, and told in the header", async () => {
    const foreign = { type: "reasoning", summary: [], encrypted_content: "gAAAA" };
    const reply = await ask({ input: [{ role: "user", content: "x" }, foreign] });
    expect(reply.status, reply.text).toBe(200);
    expect(reply.headers["x-optamil-dropped-params"]).toBe("input.encrypted_content");
  });

  it("has its counterpart in Gemini's signed calls, which go back as they came", async () => {
    const part = { functionCall: { name: "get", args: { a: 1 } }, thoughtSignature: "c2ln" };
    const play = playJson(200, response([part], "STOP"));
    const { output } = JSON.parse(await played(gemini, play, { model: "gemini", tools }));
    const result = { type: "function_call_output", call_id: output[0].call_id, output: "18" };
    const input = [{ role: "user", content: "Get it." }, ...output, result];
    const body = await sent({ model: "gemini", input, tools }, gemini);
    expect(body.contents[1].parts).toEqual([part]);
  });
});

describe("the bytes of a stream", () => {
  it("are those of OpenAI's events, for text", async () => {
    const pieces = ["Hello ", "from ", "the ", "lab ", "\u{1F642}!"];
    const output = [said("msg_upstream_0", [textPart(pieces.join(""))])];
    expect(await streamOf(playClients)).toBe(
      bytesOf([
        ...begun(),
        ...textEvents(0, pieces),
        { type: "response.completed", response: { ...frame, output, usage: usage(7, 3) } },
      ]),
    );
  });

  it("keep apart by their places calls that alternate upstream", async () => {
    const tools = [{ type: "function", name: "get_weather", parameters: { type: "object" } }];
    const told = { tools: [{ ...tools[0], strict: false }] };
    const ids = ["fc_upstream_0", "fc_upstream_1"] as const;
    const write = (at: 0 | 1, text: string) =>
      of("function_call_arguments.delta", ids[at], at, { delta: text });
    const end = (at: 0 | 1, city: string) => [
      of("function_call_arguments.done", ids[at], at, {
        ...{ name: "get_weather", arguments: `{"city":"${city}"}` },
      }),
      item("done", at, call(ids[at], city, `{"city":"${city}"}`)),
    ];
    const output = [
      call(ids[0], "Paris", '{"city":"Paris"}'),
      call(ids[1], "Rome", '{"city":"Rome"}'),
    ];
    const ended = { ...frame, ...told, output, usage: usage(7, 3) };
    expect(await streamOf(playClients, { tools })).toBe(
      bytesOf([
        ...begun(told),
        item("added", 0, call(ids[0], "Paris", "", "in_progress")),
        item("added", 1, call(ids[1], "Rome", "", "in_progress")),
        ...[write(0, '{"city":'), write(1, '{"city":'), write(0, '"Paris"}'), write(1, '"Rome"}')],
        ...[...end(0, "Paris"), ...end(1, "Rome")],
        { type: "response.completed", response: ended },
      ]),
    );
  });

  const thinking = [
    chunk({ role: "assistant", reasoning_content: "Hm" }),
    chunk({ reasoning_content: "." }),
    chunk({ content: "Yes" }),
    chunk({}, "length"),
    usageChunk(),
  ].map(event);

  it.each([
    ["its text", {}, "reasoning_text", "content_part", "content_index"],
    [
      "a summary",
      { reasoning: { summary: "auto" } },
      ...(["reasoning_summary_text", "reasoning_summary_part", "summary_index"] as const),
    ],
  ] as const)(
    "have the reasoning as %s, and say what was cut",
    async (_name, body, text, part, index) => {
      const id = "rs_upstream_0";
      const type = text === "reasoning_text" ? text : "summary_text";
      const parts = [{ type, text: "Hm." }];
      const shown =
        text === "reasoning_text" ? { summary: [], content: parts } : { summary: parts };
      const reasoned = { id, type: "reasoning", status: "completed" };
      const place = { [index]: 0 };
      const ended = {
        ...{ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
        output: [
          { ...reasoned, ...shown },
          said("msg_upstream_1", [textPart("Yes")], "incomplete"),
        ],
      };
      const told = {
        reasoning: { effort: null, summary: null, ...("reasoning" in body && body.reasoning) },
      };
      const events = eventsIn(await streamOf(playStream([...thinking, "data: [DONE]\n\n"]), body));
      const wanted = [
        ...begun(told),
        item("added", 0, { ...reasoned, status: "in_progress", summary: [] }),
        of(`${part}.added`, id, 0, { ...place, part: { type, text: "" } }),
        of(`${text}.delta`, id, 0, { ...place, delta: "Hm" }),
        of(`${text}.delta`, id, 0, { ...place, delta: "." }),
        of(`${text}.done`, id, 0, { ...place, text: "Hm." }),
        of(`${part}.done`, id, 0, { ...place, part: { type, text: "Hm." } }),
        item("done", 0, { ...reasoned, ...shown }),
        ...textEvents(1, ["Yes"], "incomplete"),
        {
          type: "response.incomplete",
          response: { ...frame, ...told, ...ended, usage: usage(7, 3) },
        },
      ];
      expect(events).toEqual(
        wanted.map((one, at) => ({ ...one, sequence_number: at, name: one.type })),
      );
    },
  );

  it("have a refusal as a part of its own", async () => {
    const refusing = [chunk({ role: "assistant", refusal: "N" }), chunk({ refusal: "o." })];
    const pieces = [...refusing, chunk({}, "stop"), usageChunk()].map(event);
    const id = "msg_upstream_0";
    const place = { content_index: 0 };
    const part = (refusal: string) => ({ ...place, part: { type: "refusal", refusal } });
    const whole = said(id, [{ type: "refusal", refusal: "No." }]);
    expect(await streamOf(playStream([...pieces, "data: [DONE]\n\n"]))).toBe(
      bytesOf([
        ...begun(),
        item("added", 0, said(id, [], "in_progress")),
        of("content_part.added", id, 0, part("")),
        of("refusal.delta", id, 0, { ...place, delta: "N" }),
        of("refusal.delta", id, 0, { ...place, delta: "o." }),
        of("refusal.done", id, 0, { ...place, refusal: "No." }),
        of("content_part.done", id, 0, part("No.")),
        item("done", 0, whole),
        { type: "response.completed", response: { ...frame, output: [whole], usage: usage(7, 3) } },
      ]),
    );
  });

  it("end in an error event and the failed response where the provider breaks off", async () => {
    const pieces = [event(chunk({ role: "assistant", content: "Hel" }))];
    const text = await streamOf(async (reply, request) => {
      await playStream(pieces, "stall")(reply, request);
      reply.socket?.end();
    });
    const { message: why } = eventsIn(text).find(({ name }) => name === "error") ?? {};
    expect(why).toMatch(/./);
    const said0 = said("msg_upstream_0", [textPart("Hel")], "incomplete");
    const error = { code: "server_error", message: why };
    const inner = { type: "service_unavailable", ...error, param: null };
    expect(text).toBe(
      bytesOf([
        ...begun(),
        ...textEvents(0, ["Hel"]).slice(0, 3),
        { type: "error", ...error, param: null, error: inner },
        {
          type: "response.failed",
          response: { ...frame, status: "failed", error, output: [said0] },
        },
      ]),
    );
  });

  it("have the log probabilities of each piece and of the whole", async () => {
    const logprob = (token: string) => ({ token, bytes: null, logprob: -0.5, top_logprobs: [] });
    const piece = (token: string) => {
      const one = chunk({ role: "assistant", content: token });
      const logprobs = { content: [logprob(token)], refusal: null };
      return {
        ...one,
        choices: [{ index: 0, delta: { content: token }, logprobs, finish_reason: null }],
      };
    };
    const pieces = [piece("Hi"), piece("!"), chunk({}, "stop")].map(event);
    const events = eventsIn(
      await streamOf(playStream([...pieces, "data: [DONE]\n\n"]), { top_logprobs: 1 }),
    );
    const told = events.flatMap(({ type, logprobs }) => (/text\./.test(type) ? [logprobs] : []));
    expect(told).toEqual([[logprob("Hi")], [logprob("!")], [logprob("Hi"), logprob("!")]]);
  });

  it("count what an Anthropic upstream counted", async () => {
    const play = playStream([messageStart(), ...textBlock(["Hi"]), ...messageEnd()]);
    const text = await played(anthropic, play, { model: "claude", stream: true });
    expect(eventsIn(text).at(-1).response.usage).toEqual(usage(7, 3, 2, 1));
  });
});

describe.each([
  ["gRPC", createGrpcTransport({ baseUrl: gateway.url })],
  ["Connect", createConnectTransport({ baseUrl: gateway.url, httpVersion: "1.1" })],
] as const)("over %s", (_name, transport) => {
  const client = createClient(ResponseService, transport);
  const input = { kind: { case: "text" as const, value: hello } };
  const request = { model: "lab", input };
  const options = { headers };

  it("a response comes whole and in events", async () => {
    const whole = await client.createResponse(request, options);
    const parts = whole.output[0]?.content?.kind;
    expect(parts?.case === "parts" && parts.value.values[0]?.text).toBe(
      "Hello from the lab \u{1F642}!",
    );
    const types = [];
    for await (const { type } of client.streamResponse(request, options)) types.push(type);
    expect(types).toEqual(
      [...begun(), ...textEvents(0, ["", "", "", "", ""]), { type: "response.completed" }].map(
        ({ type }) => type,
      ),
    );
  });

  it("a refusal is the table's, and what has no effect is told in the metadata", async () => {
    const wrong = client.createResponse({ ...request, previousResponseId: "resp_1" }, options);
    const refusal = await refusalOf(wrong);
    expect(refusal).toMatchObject(fromRow(rows.invalid, "rpc"));
    expect(refusal.param).toBe("previous_response_id");
    let dropped: string | null = "";
    const onHeader = (leading: Headers) => {
      dropped = leading.get("x-optamil-dropped-params");
    };
    await client.createResponse({ ...request, store: true }, { ...options, onHeader });
    expect(dropped).toBe("store");
  });
});

describe.each([false, true])(
  "a request that is repeated with its Idempotency-Key (stream: %s)",
  (stream) => {
    it("gets the same response again, byte for byte", async () => {
      const keyed = () =>
        send({ model: "lab", input: hello, stream }, { "idempotency-key": `response-${stream}` });
      const first = await keyed();
      const again = await keyed();
      expect(again.text).toBe(first.text);
      expect(again.headers["x-optamil-idempotent-replay"]).toBe("true");
      expect(first.headers).not.toHaveProperty("x-optamil-idempotent-replay");
    });
  },
);
