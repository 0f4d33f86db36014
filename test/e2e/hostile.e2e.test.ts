import { Code } from "@connectrpc/connect";
import { afterEach, describe, expect, it } from "vitest";
import { count, dial, requestText } from "../gateway/listen-clients.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { alone } from "./gateway-fleet.ts";
import { callGrpc, chatMessage, frame } from "./raw-grpc.ts";
import { fromRow, readRefusal, refusalOf, rows } from "./refusals.ts";
import { type RestRequest, sendHttp1 } from "./rest-client.ts";

const bodyBytesMax = 65_536;
const gateway = await startGateway({
  config: { limits: { bodyBytesMax, headersTimeoutMs: 200, requestTimeoutMs: 1_000 } },
});
const path = "/v1/chat/completions";
const auth = bearer(gateway.key);
const json = { ...auth, "content-type": "application/json" };
const chat = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };
const good = JSON.stringify(chat);

/** Sends a request on a connection of its own, so that no test sees what another did to it. */
const send = (request: RestRequest) =>
  sendHttp1(gateway.url, { ...request, headers: { ...request.headers, connection: "close" } });

/** The good request's text with members put before its own. */
const withMembers = (members: string) => `{${members},${good.slice(1)}`;
/** The good request whose message has a value below `deep`; the value stands on level 4. */
const withDeep = (value: string) => good.replace('"role"', `"deep":${value},"role"`);
const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

afterEach(async () => {
  const health = await send({ path: "/healthz" });
  expect(health).toMatchObject({ status: 200, text: '{"status":"ok"}' });
  const answer = await send({ path, headers: auth, body: chat });
  expect(answer.status).toBe(200);
});

interface BadBody {
  name: string;
  body: string | Uint8Array;
  param?: string;
  message: RegExp;
}

const badBodies: BadBody[] = [
  {
    name: "a list of messages that is an object",
    body: JSON.stringify({ ...chat, messages: { role: "user" } }),
    param: "messages",
    message: /'messages': expected an array, got an object/,
  },
  {
    name: "a message that is null",
    body: JSON.stringify({ ...chat, messages: [...chat.messages, null] }),
    param: "messages[1]",
    message: /'messages\[1\]': expected an object, got null/,
  },
  {
    name: "a part whose text is a list",
    body: JSON.stringify({
      ...chat,
      messages: [{ role: "user", content: [{ type: "text", text: [] }] }],
    }),
    param: "messages[0].content[0].text",
    message: /'messages\[0\]\.content\[0\]\.text': expected a string, got an array/,
  },
  {
    name: "a switch that is text",
    body: withMembers('"stream":"yes"'),
    param: "stream",
    message: /'stream': expected a boolean, got a string/,
  },
  {
    name: "a count that is no whole number",
    body: withMembers('"n":1.5'),
    param: "n",
    message: /'n': expected a whole number/,
  },
  {
    name: "a count below zero",
    body: withMembers('"max_tokens":-1'),
    param: "max_tokens",
    message: /'max_tokens': expected a whole number/,
  },
  {
    name: "a number beyond all doubles",
    body: withMembers('"temperature":1e999'),
    param: "temperature",
    message: /'temperature'/,
  },
  {
    name: "a seed beyond 64 bits",
    body: withMembers('"seed":99999999999999999999'),
    param: "seed",
    message: /'seed'/,
  },
  {
    name: "a bias that is text",
    body: withMembers('"logit_bias":{"50256":"much"}'),
    param: "logit_bias.50256",
    message: /'logit_bias\.50256'/,
  },
  {
    name: "a model that is null",
    body: JSON.stringify({ ...chat, model: null }),
    param: "model",
    message: /'model'/,
  },
  {
    name: "an unknown role",
    body: JSON.stringify({ ...chat, messages: [{ role: "root", content: "" }] }),
    param: "messages[0].role",
    message: /'messages\[0\]\.role'/,
  },
  {
    name: "65 levels",
    body: withDeep(nested(62)),
    message: /deeper than 64 levels/,
  },
  {
    name: "ten thousand levels",
    body: withMembers(`"deep":${nested(10_000)}`),
    message: /deeper than 64 levels/,
  },
  {
    name: "levels that are never closed",
    body: `{"messages":${"[".repeat(30_000)}`,
    message: /deeper than 64 levels/,
  },
  {
    name: "a key __proto__ at the top",
    body: withMembers('"__proto__":{"scopes":["admin"]}'),
    param: "__proto__",
    message: /'__proto__': this key is not allowed/,
  },
  {
    name: "a key __proto__ in a message",
    body: withDeep('{"__proto__":1}'),
    param: "messages[0].deep.__proto__",
    message: /'messages\[0\]\.deep\.__proto__': this key is not allowed/,
  },
  {
    name: "a key __proto__ in escapes",
    body: withMembers('"x":[{"\\u005f_pr\\u006fto__":1}]'),
    param: "x[0].__proto__",
    message: /'x\[0\]\.__proto__': this key is not allowed/,
  },
  {
    name: "the model twice",
    body: withMembers('"model":"gpt-4.1"'),
    param: "model",
    message: /'model': the member is there twice/,
  },
  {
    name: "the model twice, once in escapes",
    body: withMembers('"\\u006dodel":"gpt-4.1"'),
    param: "model",
    message: /'model': the member is there twice/,
  },
  {
    name: "an unknown member twice",
    body: withMembers('"x":1,"x":2'),
    param: "x",
    message: /'x': the member is there twice/,
  },
  {
    name: "a byte that is no UTF-8",
    body: Buffer.from(good.replace("hello", "h\u00e9llo"), "latin1"),
    message: /not valid UTF-8/,
  },
  {
    name: "half a character",
    body: Buffer.concat([Buffer.from(good).subarray(0, -4), Buffer.from([0xe2, 0x82])]),
    message: /not valid UTF-8/,
  },
  {
    name: "a surrogate in UTF-8",
    body: Buffer.concat([
      Buffer.from('{"model":"'),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('"}'),
    ]),
    message: /not valid UTF-8/,
  },
  {
    name: "UTF-16",
    body: Buffer.from(good, "utf16le"),
    message: /not valid JSON|not valid UTF-8/,
  },
  { name: "a control character in a text", body: withDeep('"\u0001"'), message: /not valid JSON/ },
  { name: "a comma too many", body: good.replace("}]", "},]"), message: /not valid JSON/ },
  { name: "a second document", body: `${good}${good}`, message: /not valid JSON/ },
  { name: "single quotes", body: good.replaceAll('"', "'"), message: /not valid JSON/ },
  { name: "a number without end", body: "1".repeat(60_000), message: /must be a JSON object/ },
  { name: "null", body: "null", message: /must be a JSON object/ },
  { name: "a text", body: '"hello"', message: /must be a JSON object/ },
];

describe("a request body with", () => {
  it.each(badBodies)("$name is refused", async ({ body, param = null, message }) => {
    const refusal = readRefusal(await send({ path, headers: json, body }));
    expect(refusal).toMatchObject({ ...fromRow(rows.invalid, "rest"), param });
    expect(refusal.message).toMatch(message);
  });

  it.each([
    ["64 levels", withDeep(nested(61))],
    ["unknown keys", withMembers('"constructor":1,"x-y z":{"toString":null}')],
    ["nulls for optional members", withMembers('"temperature":null,"stop":null,"tools":null')],
    ["the text __proto__", withMembers('"user":"__proto__"')],
    ["characters of one to four bytes", withDeep(JSON.stringify("a\u00ff\u0800\uffff\u{10000}"))],
  ])("%s is taken", async (_name, body) => {
    const reply = await send({ path, headers: json, body });
    expect(reply.status, reply.text).toBe(200);
  });
});

/** The text of a chat request with these header lines beside the key. */
function chatText(lines: string[], body: string): string {
  const head = [`POST ${path} HTTP/1.1`, "Host: localhost"];
  return [...head, `Authorization: ${auth["authorization"]}`, ...lines, "", body].join("\r\n");
}

describe("a body that is too large is refused", () => {
  it("by its declared length, before it is sent", async () => {
    const client = await dial(gateway.port);
    client.send(chatText(["content-type: application/json", "content-length: 70000"], "{"));
    const answer = await client.received(/\}\}$/);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toContain(
      '{"error":{"message":"The request body is larger than 65536 bytes.","type":"invalid_request_error","param":null,"code":413}}',
    );
    client.destroy();
  });

  it("once it has grown over the limit in chunks", async () => {
    const client = await dial(gateway.port);
    const chunk = `4000\r\n${"x".repeat(0x4000)}\r\n`;
    const lines = ["content-type: application/json", "transfer-encoding: chunked"];
    client.send(chatText(lines, chunk.repeat(5)));
    const answer = await client.received(/\}\}$/);
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toMatch(/"type":"invalid_request_error","param":null,"code":413\}\}$/);
    client.destroy();
  });

  it("and one of exactly the limit is read", async () => {
    const body = good.padEnd(bodyBytesMax, " ");
    expect(await send({ path, headers: json, body })).toMatchObject({
      status: 200,
    });
    const longer = await send({ path, headers: json, body: `${body} ` });
    expect(readRefusal(longer)).toMatchObject(fromRow(rows.tooLarge, "rest"));
  });
});

describe("gRPC", () => {
  const method = "/optamil.v1.ChatService/CreateChatCompletion";
  const message = chatMessage(chat);
  const call = (bytes: Uint8Array, headers = {}) =>
    callGrpc(gateway.url, method, bytes, { ...auth, ...headers });

  const badFrames: [name: string, bytes: Uint8Array, row: "invalid" | "tooLarge"][] = [
    ["half a frame header", frame(message).subarray(0, 3), "invalid"],
    ["a frame that breaks off", frame(message).subarray(0, 20), "invalid"],
    ["a frame that announces more than it has", frame(message, { length: 999 }), "invalid"],
    ["text", Buffer.from(good), "tooLarge"],
    ["a frame of 4 GB", frame(message, { length: 0xffffffff }), "tooLarge"],
    ["a message above the limit", frame(Buffer.alloc(bodyBytesMax + 1)), "tooLarge"],
  ];

  it.each(badFrames)("refuses %s with the table's code", async (_name, bytes, row) => {
    const error = await call(bytes);
    expect(error).toMatchObject({ code: rows[row][2], rawMessage: expect.stringMatching(/./) });
    expect(error?.metadata.get("x-request-id")).toMatch(/./);
  });

  it.each<[name: string, bytes: Uint8Array, code: Code]>([
    ["a message too few", Buffer.alloc(0), Code.Unimplemented],
    ["a message too many", Buffer.concat([frame(message), frame(message)]), Code.Unimplemented],
    ["a message that is no protobuf", frame(Buffer.alloc(4, 0xff)), Code.Internal],
    ["a compressed frame without an encoding", frame(message, { flags: 1 }), Code.Internal],
  ])("answers %s as its specification says", async (_name, bytes, code) => {
    expect(await call(bytes)).toMatchObject({ code, rawMessage: expect.stringMatching(/./) });
  });

  it("refuses a request that is broken in a message, naming the place", async () => {
    const request = { ...chat, messages: [...chat.messages, { role: "root", content: "" }] };
    const refusal = await refusalOf(Promise.reject(await call(frame(chatMessage(request)))));
    expect(refusal).toMatchObject({ ...fromRow(rows.invalid, "rpc"), param: "messages[1].role" });
  });

  it("survives a client that resets each of its calls", async () => {
    const calls = Array.from({ length: 50 }, () =>
      callGrpc(gateway.url, method, frame(message), auth, { reset: true }),
    );
    const results = await Promise.allSettled(calls);
    expect(results).toHaveLength(50);
  });
});

alone("nginx reads requests, and answers what it cannot read", () =>
  describe("a connection", () => {
    it("whose headers come too slowly gets 408 and is closed", async () => {
      const client = await dial(gateway.port);
      client.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: ");
      const answer = await client.closed;
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toMatch(/"type":"timeout","param":null,"code":408\}\}$/);
    });

    it("that was kept alive may pause for longer than a header may take", async () => {
      const kept = await dial(gateway.port);
      kept.send(requestText("/healthz"));
      await kept.received(/"ok"\}$/);
      const slow = await dial(gateway.port);
      slow.send("GET /healthz HTTP/1.1\r\n");
      await slow.closed;
      kept.send(requestText("/healthz"));
      const answers = await kept.received(/"ok"\}[\s\S]+\}$/);
      expect(count(answers, /HTTP\/1\.1 200 /)).toBe(2);
      kept.destroy();
    });

    it("whose body comes too slowly gets 408 and is closed", async () => {
      const client = await dial(gateway.port);
      client.send(chatText(["content-type: application/json", "content-length: 100"], '{"model"'));
      const answer = await client.closed;
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(answer).toMatch(/"type":"timeout","param":null,"code":408\}\}$/);
    });

    it.each([
      ["bytes that mean nothing", "\x00\x01\x02\x03\xff\xfe\r\n\r\n"],
      ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
      ["two lengths", chatText(["content-length: 5", "transfer-encoding: chunked"], "0\r\n\r\n")],
      ["a header line without a colon", requestText("/healthz", ["nonsense"])],
      ["a header above 16 kB", requestText("/healthz", [`x-large: ${"x".repeat(20_000)}`])],
      ["a method that is none", "G\u00cbT /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ])("that sends %s gets 400 and is closed", async (_name, text) => {
      const client = await dial(gateway.port);
      client.send(Buffer.from(text, "latin1"));
      const answer = await client.closed;
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(answer).toMatch(/"type":"invalid_request_error","param":null,"code":400\}\}$/);
      expect(count(answer, /HTTP\/1\.1 /)).toBe(1);
    });

    it("that leaves in the middle of its body harms nobody", async () => {
      const client = await dial(gateway.port);
      client.send(chatText(["content-type: application/json", "content-length: 100"], '{"model"'));
      client.destroy();
      await client.closed;
    });

    it("that says HTTP/2 and then garbage is closed", async () => {
      const client = await dial(gateway.port);
      client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      client.send(Buffer.alloc(4096, 0xff));
      await client.closed;
    });
  }),
);
