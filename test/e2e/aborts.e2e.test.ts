import { connect, constants } from "node:http2";
import { createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, describe, expect, it } from "vitest";
import {
  ChatService,
  CreateChatCompletionRequestSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { askWarehouse } from "../chaos/books.ts";
import { messageEnd, messageStart, textBlock } from "../fakes/anthropic-upstream.ts";
import { response as geminiResponse } from "../fakes/gemini-upstream.ts";
import { chunk, event, openUpstream, type Play, usageChunk } from "../fakes/openai-upstream.ts";
import { bearer, type HeaderMap } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const upstream = await openUpstream();
afterAll(() => upstream.close());
const { baseUrl } = upstream;
const gateway = await startGateway({
  config: {
    models: ["verbatim", "normalised", "anthropic", "gemini"].map((name) => ({
      ...{ name: `${name}-model`, tier: "budget" },
    })),
    providers: [
      { name: "verbatim", kind: "openai", baseUrl, models: ["verbatim-model"] },
      {
        name: "normalised",
        kind: "openai",
        baseUrl,
        models: ["normalised-model"],
        relay: "normalised",
      },
      { name: "anthropic", kind: "anthropic", baseUrl, models: ["anthropic-model"] },
      { name: "gemini", kind: "gemini", baseUrl, models: ["gemini-model"] },
    ],
  },
});

const texts = ["Hello", " there"];

/** What an upstream of each wire format has sent when the client leaves: the first text, all of them, the usage too. */
type Sent = {
  readonly one: readonly string[];
  readonly all: readonly string[];
  readonly usage: string;
};

function openAiSent(): Sent {
  const role = event(chunk({ role: "assistant", content: "" }));
  const words = texts.map((content) => event(chunk({ content })));
  const all = [role, ...words, event(chunk({}, "stop"))];
  return { one: all.slice(0, 2), all, usage: event(usageChunk()) };
}

function anthropicSent(): Sent {
  const all = [messageStart(), ...textBlock(texts)];
  return { one: all.slice(0, 3), all, usage: messageEnd()[0] ?? "" };
}

function geminiSent(): Sent {
  const all = texts.map((text) =>
    event({ ...geminiResponse([{ text }]), usageMetadata: undefined }),
  );
  return { one: all.slice(0, 1), all, usage: event(geminiResponse([{ text: "" }], "STOP")) };
}

const wires = {
  verbatim: openAiSent(),
  normalised: openAiSent(),
  anthropic: anthropicSent(),
  gemini: geminiSent(),
};

/** When the client leaves: the upstream has sent these pieces and waits, the client has seen the text. */
const cases = Object.entries(wires).flatMap(([relay, { one, all, usage }]) => {
  const partial = { relay, outcome: "client_cancel_partial", credits: 1 };
  const before = { relay, outcome: "client_cancel_before", credits: 0 };
  return [
    { ...before, moment: "byte 0", pieces: [], seen: undefined },
    { ...partial, moment: "one chunk", pieces: one, seen: "Hello" },
    { ...partial, moment: "all content, before usage,", pieces: all, seen: " there" },
    { ...partial, moment: "usage", pieces: [...all, usage], seen: "stop" },
  ];
});

/** Streams an answer and leaves when the text has been seen; `left` says when that was. */
type Leave = (ask: {
  readonly headers: HeaderMap;
  readonly request: Record<string, unknown>;
  /** Undefined: leaves when the upstream has been called. */
  readonly seen: string | undefined;
  readonly called: Promise<void>;
}) => Promise<number>;

const path = "/v1/chat/completions";

const leaveHttp1: Leave = async ({ headers, request, seen, called }) => {
  const leaving = new AbortController();
  const sent = fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(request),
    signal: leaving.signal,
  });
  const body = sent.then(({ body }) => body).catch(() => null);
  if (seen === undefined) await called;
  else await readUntil((await body) ?? [], seen);
  const leftAtMs = performance.now();
  leaving.abort();
  return leftAtMs;
};

const leaveHttp2: Leave = async ({ headers, request, seen, called }) => {
  const session = connect(gateway.url);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    ...headers,
    "content-type": "application/json",
  });
  stream.on("error", () => undefined);
  stream.end(JSON.stringify(request));
  if (seen === undefined) await called;
  else await readUntil(stream.iterator({ destroyOnReturn: false }), seen);
  const leftAtMs = performance.now();
  stream.close(constants.NGHTTP2_CANCEL);
  session.close();
  return leftAtMs;
};

const codec = jsonCodec(CreateChatCompletionRequestSchema);

function leaveRpc(transport: Transport): Leave {
  const client = createClient(ChatService, transport);
  return async ({ headers, request, seen, called }) => {
    const leaving = new AbortController();
    const { signal } = leaving;
    const message = codec.decode(request);
    const chunks = client
      .streamChatCompletion(message, { headers, signal })
      [Symbol.asyncIterator]();
    const first = chunks.next();
    first.catch(() => undefined);
    if (seen === undefined) await called;
    for (let next = first, text = ""; seen !== undefined && !text.includes(seen); ) {
      const { value, done } = await next;
      expect(done).not.toBe(true);
      text += JSON.stringify(value, (_key, each) => (typeof each === "bigint" ? `${each}` : each));
      if (value?.choices.some(({ finishReason }: { finishReason?: string }) => finishReason)) {
        text += "stop";
      }
      if (!text.includes(seen)) next = chunks.next();
    }
    const leftAtMs = performance.now();
    leaving.abort();
    return leftAtMs;
  };
}

async function readUntil(pieces: AsyncIterable<Uint8Array> | [], text: string): Promise<void> {
  const decoder = new TextDecoder();
  let read = "";
  for await (const piece of pieces) {
    read += decoder.decode(piece, { stream: true });
    if (read.includes(text)) return;
  }
  expect.unreachable(`the stream ended without ${text}: ${read}`);
}

const ways: readonly (readonly [string, Leave])[] = [
  ["REST over HTTP/1.1", leaveHttp1],
  ["REST over HTTP/2", leaveHttp2],
  ["Connect", leaveRpc(createConnectTransport({ baseUrl: gateway.url, httpVersion: "1.1" }))],
  ["gRPC", leaveRpc(createGrpcTransport({ baseUrl: gateway.url }))],
  ["gRPC-Web", leaveRpc(createGrpcWebTransport({ baseUrl: gateway.url, httpVersion: "1.1" }))],
];

async function openAccount(): Promise<{ id: string; headers: HeaderMap }> {
  const headers = bearer(gateway.key);
  const body = { name: "test", plan: "free" };
  const reply = await sendHttp1(gateway.url, { path: "/v1/admin/accounts", headers, body });
  const { account, key } = JSON.parse(reply.text);
  return { id: account.id, headers: bearer(key) };
}

/** Sends the pieces and waits for the client to leave; says when it was called and when it was closed. */
function playUntilClosed(pieces: readonly string[]) {
  const called = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<number>();
  const play: Play = (response) => {
    response.on("close", () => closed.resolve(performance.now()));
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    for (const piece of pieces) response.write(piece);
    called.resolve();
  };
  return { play, called: called.promise, closed: closed.promise };
}

describe.each(ways)("a client of %s that leaves", (_name, leave) => {
  it.each(cases)(
    "after $moment of a $relay stream closes the upstream within 250 ms and leaves one event: $outcome",
    async ({ relay, pieces, seen, outcome, credits }) => {
      const { id, headers } = await openAccount();
      const { play, called, closed } = playUntilClosed(pieces);
      upstream.play = play;
      const request = {
        model: `${relay}-model`,
        messages: [{ role: "user", content: "Say hello." }],
        stream: true,
        stream_options: { include_usage: true },
      };
      const leftAtMs = await leave({ headers, request, seen, called });
      expect((await closed) - leftAtMs).toBeLessThan(250);
      const select = `SELECT outcome, credits_micro / 1000000 AS credits, http_status FROM usage_events FINAL WHERE account_id = '${id}'`;
      await expect
        .poll(() => askWarehouse(gateway, select), { timeout: 10_000, interval: 200 })
        .toEqual([{ outcome, credits, http_status: 499 }]);
      const usage = await sendHttp1(gateway.url, { path: "/v1/usage", headers });
      expect(JSON.parse(usage.text)).toMatchObject({ credits_used: credits });
    },
  );
});

describe("a client that leaves before an answer in one piece", () => {
  it("closes the upstream within 250 ms and is not charged", async () => {
    const { id, headers } = await openAccount();
    const called = Promise.withResolvers<void>();
    const closed = Promise.withResolvers<number>();
    upstream.play = (response) => {
      response.on("close", () => closed.resolve(performance.now()));
      called.resolve();
    };
    const request = { model: "verbatim-model", messages: [{ role: "user", content: "Hi" }] };
    const leftAtMs = await leaveHttp1({
      headers,
      request,
      seen: undefined,
      called: called.promise,
    });
    expect((await closed.promise) - leftAtMs).toBeLessThan(250);
    const select = `SELECT outcome, credits_micro / 1000000 AS credits FROM usage_events FINAL WHERE account_id = '${id}'`;
    await expect
      .poll(() => askWarehouse(gateway, select), { timeout: 10_000, interval: 200 })
      .toEqual([{ outcome: "client_cancel_before", credits: 0 }]);
  });
});
