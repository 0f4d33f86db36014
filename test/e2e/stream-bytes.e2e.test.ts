import { once } from "node:events";
import type { ServerResponse } from "node:http";
import OpenAI from "openai";
import { afterAll, describe, expect, it } from "vitest";
import { openUpstream, playStream } from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { inFleet } from "./gateway-fleet.ts";
import { sendHttp1, sendHttp2 } from "./rest-client.ts";
import { readEvents } from "./sse.ts";

const upstream = await openUpstream();
afterAll(upstream.close);
const { baseUrl } = upstream;
const gateway = await startGateway({
  config: {
    models: ["verbatim-model", "normalised-model"].map((name) => ({ name, tier: "free" })),
    providers: [
      { name: "demo", kind: "demo", models: ["gpt-4.1"] },
      { name: "verbatim", kind: "openai", baseUrl, models: ["verbatim-model"] },
      {
        name: "normalised",
        kind: "openai",
        baseUrl,
        models: ["normalised-model"],
        relay: "normalised",
      },
    ],
  },
});
const headers = bearer(gateway.key);
const path = "/v1/chat/completions";
const request = {
  model: "gpt-4.1",
  messages: [{ role: "user", content: 'Say "hello",\n🌍!' }],
  stream: true,
};
const withUsage = { ...request, stream_options: { include_usage: true } };

interface Parsed {
  chunks: OpenAI.ChatCompletionChunk[];
  /** The JSON texts as they came. */
  events: string[];
}

async function ask(body: object): Promise<Parsed> {
  const { text } = await sendHttp1(gateway.url, { path, headers, body });
  const events = readEvents(text);
  expect(events.pop()).toBe("[DONE]");
  return { chunks: events.map((data) => JSON.parse(data)), events };
}

describe.each([
  ["HTTP/1.1", sendHttp1],
  ["HTTP/2", sendHttp2],
])("the head of a stream over %s", (_name, send) => {
  it("says that it is an event stream that nobody may hold back or change", async () => {
    const compressed = { ...headers, "accept-encoding": "gzip, br" };
    const reply = await send(gateway.url, { path, headers: compressed, body: request });
    expect(reply.status).toBe(200);
    expect(reply.headers).toMatchObject({
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      // Told to nginx, which keeps it.
      ...(!inFleet && { "x-accel-buffering": "no" }),
    });
    expect(reply.headers).not.toHaveProperty("content-encoding");
    expect(reply.headers).not.toHaveProperty("content-length");
  });
});

describe("the bytes of a stream", () => {
  it("are `data: {json}` and a blank line for each chunk, and nothing else", async () => {
    const { text } = await sendHttp1(gateway.url, { path, headers, body: withUsage });
    expect(text).toMatch(/^(data: \{[^\r\n]*\}\n\n)+data: \[DONE\]\n\n$/);
    expect(text).not.toMatch(/^(id|event|retry|:)/m);
  });

  it("begin with the role and an empty text, and end with the reason and an empty delta", async () => {
    const { events } = await ask(request);
    const head =
      /^\{"id":"[^"]+","object":"chat\.completion\.chunk","created":\d+,"model":"gpt-4\.1",/;
    for (const data of events) expect(data).toMatch(head);
    const tails = events.map((data) => data.replace(head, "").replace(/\}$/, ""));
    expect(tails[0]).toBe(
      '"choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]',
    );
    for (const tail of tails.slice(1, -1)) {
      expect(tail).toMatch(
        /^"choices":\[\{"index":0,"delta":\{"content":".+"\},"logprobs":null,"finish_reason":null\}\]$/,
      );
    }
    expect(tails.at(-1)).toBe(
      '"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]',
    );
  });

  it("name the same id, time, model and object in every chunk", async () => {
    const { chunks } = await ask(withUsage);
    const constants = chunks.map(({ id, created, model, object }) =>
      JSON.stringify({ id, created, model, object }),
    );
    expect(new Set(constants).size).toBe(1);
  });

  it("report the usage in a chunk of its own when asked, and null in all others", async () => {
    const { chunks, events } = await ask(withUsage);
    const last = chunks.at(-1);
    const { prompt_tokens = 0, completion_tokens = 0, total_tokens } = last?.usage ?? {};
    expect(last?.choices).toEqual([]);
    expect(completion_tokens).toBeGreaterThan(0);
    expect(total_tokens).toBe(prompt_tokens + completion_tokens);
    expect(events.at(-1)).toContain('"choices":[],"usage":{"prompt_tokens":');
    for (const data of events.slice(0, -1)) expect(data).toMatch(/\],"usage":null\}$/);
  });

  it("have no usage anywhere when it was not asked for", async () => {
    const { events } = await ask(request);
    expect(events.join("\n")).not.toContain('"usage"');
    const explicit = await ask({ ...request, stream_options: { include_usage: false } });
    expect(explicit.events.join("\n")).not.toContain('"usage"');
  });

  it("end each of several choices once, and count them all", async () => {
    const { chunks } = await ask({ ...withUsage, n: 2 });
    const ends = chunks.flatMap(({ choices }) => choices.filter((choice) => choice.finish_reason));
    expect(ends.map(({ index, finish_reason }) => [index, finish_reason])).toEqual([
      [0, "stop"],
      [1, "stop"],
    ]);
    const single = await ask(withUsage);
    const tokens = (all: Parsed) => all.chunks.at(-1)?.usage?.completion_tokens ?? 0;
    expect(tokens({ chunks, events: [] })).toBeGreaterThan(2 * tokens(single) - 1);
  });

  it("carry a tool call with its index in every piece, its id and name in the first", async () => {
    const tool = { type: "function", function: { name: "get_time", parameters: {} } };
    const { chunks } = await ask({ ...request, tools: [tool], tool_choice: "required" });
    const pieces = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? []);
    expect(pieces[0]).toMatchObject({
      index: 0,
      id: expect.stringMatching(/./),
      type: "function",
      function: { name: "get_time", arguments: "" },
    });
    for (const piece of pieces.slice(1)) {
      expect(piece).toEqual({ index: 0, function: { arguments: expect.any(String) } });
    }
    const text = pieces.map((piece) => piece.function?.arguments).join("");
    expect(JSON.parse(text)).toEqual({});
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe("tool_calls");
  });
});

/** A stream that is read while it runs. */
async function openStream(body: object) {
  const leaving = new AbortController();
  const response = await fetch(`${gateway.baseUrl}/chat/completions`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: leaving.signal,
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const read = async () => {
    const { done = true, value = "" } = (await reader?.read()) ?? {};
    text += value;
    return !done;
  };
  return {
    /** Resolves when what has come matches. */
    async received(pattern: RegExp) {
      while (!pattern.test(text)) expect(await read(), text).toBe(true);
    },
    /** All that has come, once the stream has ended. */
    async rest() {
      while (await read());
      return text;
    },
    leave: () => leaving.abort(),
  };
}

/** Lets the upstream say its first words to the next request, and hands over what comes then. */
function speakAndWait(): Promise<ServerResponse> {
  const { promise, resolve } = Promise.withResolvers<ServerResponse>();
  upstream.play = async (response, seen) => {
    await playStream(spoken.slice(0, 2), "stall")(response, seen);
    resolve(response);
  };
  return promise;
}

// As an upstream may write them: spaces, keys of its own, a name of its own for the model.
const up = (rest: string) =>
  `data: {"id":"chatcmpl-up","object": "chat.completion.chunk", "created":1700000000,"model":"up-1","x_lab":[1.0,2e2],${rest}}\n\n`;
const choice = (delta: string, reason = "null") =>
  `"choices":[{"index":0,"delta":${delta},"logprobs":null, "finish_reason":${reason}}]`;
const spoken = [
  up(choice('{"role":"assistant","content":""}')),
  up(choice('{"content":"Hel\\u006co \\ud83c\\udf0d"}')),
  up(choice('{"content":" wörld"}')),
  up(choice("{}", '"stop"')),
];
const usage = up(
  '"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"x_cached":3}',
);
const done = "data: [DONE]\n\n";

describe("a stream relayed verbatim", () => {
  const verbatim = { ...request, model: "verbatim-model" };
  const renamed = (text: string) => text.replaceAll('"model":"up-1"', '"model":"verbatim-model"');

  it("is the upstream's bytes but for the model's name", async () => {
    upstream.play = playStream([...spoken, usage, done]);
    const { text } = await sendHttp1(gateway.url, {
      path,
      headers,
      body: { ...verbatim, stream_options: { include_usage: true } },
    });
    expect(text).toBe(renamed([...spoken, usage, done].join("")));
  });

  it("asks for the usage and hides it from a client that did not", async () => {
    upstream.play = playStream([...spoken, usage, done]);
    const { text } = await sendHttp1(gateway.url, { path, headers, body: verbatim });
    expect(text).toBe(renamed([...spoken, done].join("")));
    const asked = JSON.parse(upstream.requests.at(-1)?.text ?? "");
    expect(asked).toEqual({
      ...verbatim,
      model: "verbatim-model",
      stream_options: { include_usage: true },
    });
  });

  it("is whole however the upstream's writes cut events and characters", async () => {
    const bytes = Buffer.from([...spoken, usage, done].join(""));
    const pieces = Array.from({ length: Math.ceil(bytes.length / 7) }, (_, at) =>
      bytes.subarray(at * 7, at * 7 + 7),
    );
    upstream.play = playStream(pieces);
    const { text } = await sendHttp1(gateway.url, { path, headers, body: verbatim });
    expect(text).toBe(renamed([...spoken, done].join("")));
  });
});

describe("a stream relayed normalised", () => {
  const normalised = { ...request, model: "normalised-model" };

  it("is rebuilt chunk by chunk in our own spelling, with the upstream's extra keys", async () => {
    upstream.play = playStream([...spoken, usage, done]);
    const { events } = await ask({ ...normalised, stream_options: { include_usage: true } });
    const head =
      '{"id":"chatcmpl-up","object":"chat.completion.chunk","created":1700000000,"model":"normalised-model",';
    const said = (delta: string, reason = "null") =>
      `${head}"choices":[{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}],"x_lab":[1,200],"usage":null}`;
    expect(events).toEqual([
      said('{"role":"assistant","content":""}'),
      said('{"content":"Hello 🌍"}'),
      said('{"content":" wörld"}'),
      said("{}", '"stop"'),
      `${head}"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9,"x_cached":3}}`,
    ]);
  });

  it("hides the usage from a client that did not ask for it", async () => {
    upstream.play = playStream([...spoken, usage, done]);
    const { events } = await ask(normalised);
    expect(events).toHaveLength(spoken.length);
    expect(events.join("\n")).not.toContain('"usage"');
  });

  it("mends what an upstream gets wrong: role, nulls and the place of the usage", async () => {
    upstream.play = playStream([
      up(choice('{"content":"Hi","role":""}')),
      up(
        choice('{"content":null,"role":null}', '"stop"').replace(
          /$/,
          ',"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}',
        ),
      ),
      done,
    ]);
    const { chunks } = await ask({ ...normalised, stream_options: { include_usage: true } });
    expect(chunks.map(({ choices }) => choices[0]?.delta)).toEqual([
      { role: "assistant", content: "Hi" },
      {},
      undefined,
    ]);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 2 } });
  });
});

describe.each(["verbatim-model", "normalised-model"])("a stream of %s", (model) => {
  const body = { ...request, model };

  it.each<[string, (response: ServerResponse) => void]>([
    ["ends too early", (response) => response.end()],
    ["is reset", (response) => response.socket?.resetAndDestroy()],
  ])("that %s after its first word ends with an error and no [DONE]", async (_name, cut) => {
    const upstreamResponse = speakAndWait();
    const client = await openStream(body);
    await client.received(/Hel/);
    cut(await upstreamResponse);
    const events = readEvents(await client.rest());
    expect(JSON.parse(events.pop() ?? "")).toEqual({
      error: {
        message: expect.stringMatching(/./),
        type: "service_unavailable",
        param: null,
        code: 503,
      },
    });
    expect(events).toHaveLength(2);
  });

  it("that is cut makes the official SDK throw", async () => {
    upstream.play = playStream(spoken.slice(0, 2), "end");
    const client = new OpenAI({ baseURL: gateway.baseUrl, apiKey: gateway.key });
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "Say hello." }],
      stream: true,
    });
    const read = async () => {
      for await (const chunk of stream) expect(chunk.model).toBe(model);
    };
    await expect(read()).rejects.toThrow(OpenAI.APIError);
  });

  it("is closed upstream when its client leaves", async () => {
    const upstreamResponse = speakAndWait();
    const client = await openStream(body);
    await client.received(/Hel/);
    const closed = once(await upstreamResponse, "close");
    client.leave();
    await closed;
  });

  it("that fails before its first event has a status of its own", async () => {
    upstream.play = playStream([], "reset");
    const reply = await sendHttp1(gateway.url, { path, headers, body });
    expect(reply).toMatchObject({ status: 503, headers: { "content-type": "application/json" } });
  });
});
