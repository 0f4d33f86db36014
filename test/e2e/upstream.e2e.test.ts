/** Nothing that a caller sends changes where a request goes. */
import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { completion, openUpstream, playJson } from "../fakes/openai-upstream.ts";
import { dial } from "../gateway/listen-clients.ts";
import { bearer, doors } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

const upstream = await openUpstream(playJson(200, completion("from the configured one")));
afterAll(upstream.close);

let visits = 0;
const trap = createServer((socket) => {
  visits += 1;
  socket.destroy();
}).listen(0, "127.0.0.1");
await once(trap, "listening");
afterAll(() => trap.close());
const address = trap.address();
const host = `127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
const url = `http://${host}/v1`;

const gateway = await startGateway({
  config: {
    providers: [
      {
        ...{ name: "lab", kind: "openai", baseUrl: `${upstream.baseUrl}?version=1` },
        models: ["gpt-4.1"],
      },
    ],
  },
});
const chat = { model: "gpt-4.1", messages: [{ role: "user", content: "Hi" }] };
const headers = bearer(gateway.key);
const path = "/v1/chat/completions";

/** Names by which gateways and SDKs have let callers choose an upstream, and those that proxies route by. */
const headerNames = [
  ...["host", "forwarded", "x-forwarded-host", "x-forwarded-server", "x-original-host"],
  ...["x-original-url", "x-rewrite-url", "x-http-host-override", "x-base-url", "x-api-base"],
  ...["api-base", "base-url", "openai-base-url", "openai-api-base", "openai-organization"],
  ...["x-portkey-custom-host", "x-portkey-config", "helicone-target-url", "x-target-url"],
  ...["x-upstream", "x-provider", "x-optamil-provider", "x-optamil-base-url", "destination"],
  ...["referer", "origin", "via", "proxy", "location", "x-litellm-api-base"],
];
const memberNames = [
  ...["api_base", "base_url", "baseUrl", "api_url", "url", "endpoint", "host", "upstream"],
  ...["provider", "custom_llm_provider", "extra_body", "extra_headers", "extra_query", "proxy"],
  ...["azure_endpoint", "deployment", "deployment_id", "api_key", "api_version", "config"],
  ...["fallbacks", "litellm_params", "model_info", "headers", "route", "optamil_base_url"],
];

/** What the configured upstream has seen since the last time. */
let seen = 0;
function takeSeen() {
  const requests = upstream.requests.slice(seen);
  seen = upstream.requests.length;
  return requests.map(({ method, url, headers: { host } }) => ({ method, url, host }));
}

const expected = {
  method: "POST",
  url: "/v1/chat/completions?version=1",
  host: new URL(upstream.baseUrl).host,
};

describe("a request goes to the configured upstream, by its path and under its name, whatever", () => {
  it.each(headerNames)("the header %s says", async (name) => {
    for (const value of name === "host" ? [host] : [url, host, `host=${host}`]) {
      const body = chat;
      const reply = await sendHttp1(gateway.url, {
        path,
        body,
        headers: { ...headers, [name]: value },
      });
      expect(reply.text).toContain("from the configured one");
      expect(takeSeen()).toEqual([expected]);
    }
  });

  it.each(memberNames)("the body's member %s says", async (name) => {
    for (const value of [url, host, { base_url: url, api_base: url, url }, [url]]) {
      const reply = await sendHttp1(gateway.url, {
        path,
        headers,
        body: { ...chat, [name]: value },
      });
      // A known member of another type is refused; then nobody is asked.
      expect([200, 400]).toContain(reply.status);
      expect(takeSeen()).toEqual(reply.status === 200 ? [expected] : []);
    }
  });

  it.each(memberNames)("the query parameter %s says", async (name) => {
    const query = new URLSearchParams({ [name]: url });
    const reply = await sendHttp1(gateway.url, { path: `${path}?${query}`, headers, body: chat });
    expect([200, 400]).toContain(reply.status);
    expect(takeSeen()).toEqual(reply.status === 200 ? [expected] : []);
  });

  it("the request line says as an absolute URL", async () => {
    const body = JSON.stringify(chat);
    const client = await dial(gateway.port);
    client.send(
      [
        `POST ${url}/chat/completions HTTP/1.1`,
        `host: ${host}`,
        `authorization: ${headers["authorization"]}`,
        "content-type: application/json",
        `content-length: ${body.length}`,
        "connection: close",
        "",
        body,
      ].join("\r\n"),
    );
    const answer = await client.closed;
    const isServed = answer.startsWith("HTTP/1.1 200");
    expect(takeSeen()).toEqual(isServed ? [expected] : []);
  });

  it("a model's name says: such a model does not exist", async () => {
    for (const model of [
      url,
      `lab/${url}`,
      `gpt-4.1@${host}`,
      `../${host}`,
      "gpt-4.1?x=",
      "gpt-4.1#",
    ]) {
      const reply = await sendHttp1(gateway.url, { path, headers, body: { ...chat, model } });
      expect(reply.status).toBe(404);
    }
    expect(takeSeen()).toEqual([]);
  });

  it.each(doors)("the metadata and members of $name say", async (door) => {
    const sent = headerNames.filter((name) => !["host", "origin", "via", "proxy"].includes(name));
    const all = Object.fromEntries(sent.map((name) => [name, url]));
    const { body } = await door.chat({ url: gateway.url, headers: { ...all, ...headers } }, chat);
    expect(JSON.stringify(body)).toContain("from the configured one");
    expect(takeSeen()).toEqual([expected]);
  });

  it("all of them together did not lead anybody to another place", () => {
    expect(visits).toBe(0);
  });
});
