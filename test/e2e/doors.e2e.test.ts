import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { ModelService } from "../../src/gen/optamil/v1/models_pb.ts";
import { bearer, type Door, doors, type HeaderMap } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { refusalOf } from "./refusals.ts";
import { sendHttp1, sendHttp2 } from "./rest-client.ts";

const oddIds = ["acme/llama-3:8b", "ft:gpt-4o:acme::8d2", "a/b/c", "50%2Foff"];
const gateway = await startGateway({
  config: { models: oddIds.map((name) => ({ name, tier: "budget" })) },
});
const target = { url: gateway.url, headers: bearer(gateway.key) };
const request = {
  model: "auto",
  messages: [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "Say hello to the wörld 🌍." }] },
  ],
  temperature: 0.5,
  max_tokens: 64,
  optamil: { quality: 0 },
};

/** Ours among the headers of an answer. */
function ownHeaders(headers: HeaderMap): HeaderMap {
  const own = Object.entries(headers).filter(([name]) => /^x-(optamil-|request-id)/.test(name));
  return Object.fromEntries(own.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The same with what may differ from call to call taken out. */
const timeless = (headers: HeaderMap) => ({
  ...ownHeaders(headers),
  "x-request-id": "",
  "x-optamil-overhead-ms": "",
});

const [reference = doors[0], ...others] = doors;
if (reference === undefined) throw new Error("there is no door");

describe("one chat request through every door", () => {
  it.each(others)("$name gives the content, model and usage that REST gives", async (door) => {
    const expected = await reference.chat(target, request);
    const { body } = await door.chat(target, request);
    const { id, created } = body;
    expect(body).toEqual({ ...expected.body, id, created });
    expect(id).toMatch(/^chatcmpl-/);
    expect(id).not.toBe(expected.body.id);
    expect(body.usage?.total_tokens).toBeGreaterThan(0);
  });

  it.each(others)("$name gives the headers that REST gives", async (door) => {
    const expected = await reference.chat(target, request);
    const { headers } = await door.chat(target, request);
    expect(timeless(headers)).toEqual(timeless(expected.headers));
  });

  it.each(others)("$name streams the chunks that REST streams", async (door) => {
    const expected = await reference.stream(target, request);
    const { body, headers } = await door.stream(target, request);
    const constants = { id: body[0]?.id, created: body[0]?.created };
    expect(body).toEqual(expected.body.map((chunk) => ({ ...chunk, ...constants })));
    expect(timeless(headers)).toEqual(timeless(expected.headers));
  });

  it.each(others)("$name streams the usage that REST streams, when asked", async (door) => {
    const withUsage = { ...request, stream_options: { include_usage: true } };
    const expected = await reference.stream(target, withUsage);
    const { body } = await door.stream(target, withUsage);
    expect(body.at(-1)).toMatchObject({ choices: [], usage: expected.body.at(-1)?.usage });
    expect(body).toHaveLength(expected.body.length);
  });
});

describe.each(doors)("$name", (door: Door) => {
  it("names the model, its tier, its provider and the router's reasons", async () => {
    const { body, headers } = await door.chat(target, request);
    expect(ownHeaders(headers)).toEqual({
      "x-optamil-credits": "1",
      "x-optamil-model": body.model,
      "x-optamil-overhead-ms": expect.stringMatching(/^\d+\.\d\d$/),
      "x-optamil-provider": "demo",
      "x-optamil-route": expect.stringMatching(/^scorer=neural; quality=0\.00; /),
      "x-optamil-tier": "free",
      "x-request-id": expect.stringMatching(/^[\x21-\x7e]{8,128}$/),
    });
  });

  it("takes the cheapest tier at quality 0 and a better one at 1, and refuses what is neither", async () => {
    const { optamil: _, ...silent } = request;
    const at = (quality: string) =>
      door.chat(
        { ...target, headers: { ...target.headers, "x-optamil-quality": quality } },
        silent,
      );
    const tierAt = async (quality: string) => (await at(quality)).headers["x-optamil-tier"];
    expect(await tierAt("0")).toBe("free");
    expect(await tierAt("1")).not.toBe("free");
    const refusal = await refusalOf(at("best"));
    expect(refusal.message).toContain("'X-Optamil-Quality'");
  });

  it("gives no reasons for a model that the client named", async () => {
    const { headers } = await door.chat(target, { ...request, model: "gpt-4.1" });
    expect(headers).not.toHaveProperty("x-optamil-route");
    expect(headers).toMatchObject({ "x-optamil-model": "gpt-4.1", "x-optamil-tier": "premium" });
  });

  it("streams the text of its unary answer", async () => {
    const { body } = await door.chat(target, request);
    const streamed = await door.stream(target, request);
    const text = streamed.body.map(({ choices }) => choices[0]?.delta.content ?? "").join("");
    expect(text).toBe(body.choices[0]?.message.content);
  });

  it("echoes the caller's request id with answers, streams, lists and refusals", async () => {
    const headers = { ...target.headers, "x-request-id": "mine-0123456789~" };
    const own = { url: gateway.url, headers };
    const given = [
      await door.chat(own, request),
      await door.stream(own, request),
      await door.listModels(own),
      await refusalOf(door.chat(own, { ...request, model: "no-such-model" })),
      await refusalOf(door.stream(own, { ...request, model: "no-such-model" })),
    ].map((answer) => answer.headers["x-request-id"]);
    expect(given).toEqual(Array(5).fill("mine-0123456789~"));
  });

  it("gives each request an id of its own, also when the caller's cannot be used", async () => {
    const tooLong = { ...target, headers: { ...target.headers, "x-request-id": "x".repeat(129) } };
    const ids = [target, target, tooLong].map(
      async (to) => (await door.chat(to, request)).headers["x-request-id"],
    );
    const given = await Promise.all(ids);
    expect(new Set(given).size).toBe(3);
    expect(given).not.toContain("x".repeat(129));
  });

  it("lists the models as REST does", async () => {
    const { body } = await door.listModels(target);
    expect(body).toEqual((await reference.listModels(target)).body);
    expect(body.data.map(({ id }) => id)).toEqual(expect.arrayContaining(["auto", ...oddIds]));
  });

  it.each(["auto", "gpt-4.1", ...oddIds])("gets the model %s as the list has it", async (id) => {
    const list = await door.listModels(target);
    const { body } = await door.getModel(target, id);
    expect(body).toEqual(list.body.data.find((model) => model.id === id));
  });

  it("chats with a model whose id has slashes and colons", async () => {
    const { body, headers } = await door.chat(target, { ...request, model: "acme/llama-3:8b" });
    expect(body.model).toBe("acme/llama-3:8b");
    expect(headers["x-optamil-model"]).toBe("acme/llama-3:8b");
  });
});

describe.each([
  ["HTTP/1.1", sendHttp1],
  ["HTTP/2", sendHttp2],
])("a model's path over %s", (_name, send) => {
  it.each([
    ["acme/llama-3:8b", "acme/llama-3:8b"],
    ["acme%2Fllama-3:8b", "acme/llama-3:8b"],
    ["acme%2fllama-3%3A8b", "acme/llama-3:8b"],
    ["ft:gpt-4o:acme::8d2", "ft:gpt-4o:acme::8d2"],
    ["ft%3Agpt-4o%3Aacme%3A%3A8d2", "ft:gpt-4o:acme::8d2"],
    ["a/b%2Fc", "a/b/c"],
    ["50%252Foff", "50%2Foff"],
  ])("%s finds %s", async (path, id) => {
    const { headers } = target;
    const reply = await send(gateway.url, { path: `/v1/models/${path}`, headers });
    expect(reply.status).toBe(200);
    expect(JSON.parse(reply.text)).toMatchObject({ id, object: "model" });
  });

  it("answers HEAD like GET, without the body", async () => {
    const { headers } = target;
    const path = "/v1/models/acme/llama-3:8b";
    const got = await send(gateway.url, { path, headers });
    const head = await send(gateway.url, { path, headers, method: "HEAD" });
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(head.headers["content-length"]).toBe(got.headers["content-length"]);
  });
});

describe("Connect", () => {
  it("takes GET for methods without side effects", async () => {
    const { url: baseUrl, headers } = target;
    const transport = createConnectTransport({ baseUrl, httpVersion: "1.1", useHttpGet: true });
    const client = createClient(ModelService, transport);
    const { id } = await client.getModel({ model: "acme/llama-3:8b" }, { headers });
    expect(id).toBe("acme/llama-3:8b");
  });
});

describe("a browser's key header", () => {
  it.each(doors)("X-API-Key opens $name like Authorization", async (door) => {
    const headers = { "x-api-key": gateway.key };
    const { body } = await door.chat({ url: gateway.url, headers }, request);
    expect(body.choices[0]?.message.content).toMatch(/demo/i);
  });
});
