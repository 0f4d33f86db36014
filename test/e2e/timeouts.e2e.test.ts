import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer as createTcpServer, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { askWarehouse } from "../chaos/books.ts";
import {
  chunk,
  completion,
  event,
  openUpstream,
  type Play,
  playJson,
} from "../fakes/openai-upstream.ts";
import { bearer, doors } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { fromRow, refusalOf, rows } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";
import { readEvents } from "./sse.ts";

const role = event(chunk({ role: "assistant", content: "" }));
const hello = event(chunk({ content: "Hello" }));

function playEvents(...events: readonly string[]): Play {
  return (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(events.join(""));
  };
}

const whole = [role, hello, event(chunk({ content: "!" }, "stop")), "data: [DONE]\n\n"];

/** What the slow deployment of a model does: it never ends. */
const slow: Readonly<Record<string, Play>> = {
  silent: () => {},
  headed: playEvents(),
  rolled: playEvents(role),
  pinging: (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(role);
    const timer = setInterval(() => response.write(": ping\n\n"), 50);
    response.once("close", () => clearInterval(timer));
  },
};

const good = await openUpstream((response, request) => {
  if (!request.text.includes('"stream":true')) {
    return playJson(200, completion("Hello!"))(response, request);
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.end(whole.join(""));
  return undefined;
});
const bad = await openUpstream((response, request) => {
  const name = /slow-(\w+)/.exec(request.text)?.[1] ?? "";
  if (name === "broken") return playEvents(role, hello)(response, request);
  return slow[name]?.(response, request);
});

/** Ports on which nobody speaks TLS as it should be spoken. */
const plain = await listenOn(
  createTcpServer((socket) => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n")),
);
const closing = await listenOn(createTcpServer((socket) => socket.on("error", () => {}).destroy()));
const mute = await listenOn(createTcpServer((socket) => void socket.on("error", () => {})));
const fakes = new URL("../fakes/", import.meta.url);
const untrusted = await listenOn(
  createTlsServer({
    cert: await readFile(new URL("localhost.cert.pem", fakes)),
    key: await readFile(new URL("localhost.key.pem", fakes)),
  }),
);
const tls = { plain, closing, mute, untrusted };

async function listenOn(server: Server): Promise<{ server: Server; baseUrl: string }> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    server,
    baseUrl: `https://localhost:${typeof address === "object" && address?.port}/v1`,
  };
}

afterAll(async () => {
  for (const { server } of Object.values(tls)) server.close();
  await Promise.all([good.close(), bad.close()]);
});

const timeouts = { connectMs: 500, firstTokenMs: 400, silenceMs: 400, totalMs: 1_500 };
const names = Object.keys(slow);
const models = [...names, "broken"].map((name) => `slow-${name}`);
/** Models that are waited for less than their provider. */
const own = [...names, "broken"].map((name) => `own-${name}`);
const { connectMs: _, ...ownTimeouts } = timeouts;
const tlsModels = Object.keys(tls).map((name) => `tls-${name}`);
const gateway = await startGateway({
  config: {
    models: [...models, ...own, ...tlsModels, "alone"].map((name) => ({ name, tier: "mid" })),
    providers: [
      // The weight makes it the first that is asked.
      {
        ...{ name: "slow", kind: "openai", baseUrl: bad.baseUrl, timeouts },
        models: [
          ...models.map((name) => ({ name, weight: 1_000 })),
          { name: "alone", upstreamName: "slow-silent" },
        ],
      },
      {
        ...{ name: "patient", kind: "openai", baseUrl: bad.baseUrl },
        models: own.map((name) => {
          const upstreamName = name.replace("own", "slow");
          return { name, upstreamName, weight: 1_000, timeouts: ownTimeouts };
        }),
      },
      ...Object.entries(tls).map(([name, { baseUrl }]) => ({
        ...{ name: `tls-${name}`, kind: "openai", baseUrl, timeouts },
        models: [{ name: `tls-${name}`, weight: 1_000 }],
      })),
      {
        ...{ name: "good", kind: "openai", baseUrl: good.baseUrl },
        models: [...models, ...own, ...tlsModels].filter((name) => !name.endsWith("-broken")),
      },
    ],
  },
});
const target = { url: gateway.url, headers: bearer(gateway.key) };
const ask = (model: string) => ({ model, messages: [{ role: "user", content: model }] });
const [rest, , , , grpc] = doors;
const two = [rest, grpc].flatMap((door) => door ?? []);

describe.each(two)("through $name", (door) => {
  it.each(names)("a stream whose deployment is %s goes to the next one", async (name) => {
    const { body, headers } = await door.stream(target, ask(`slow-${name}`));
    expect(headers["x-optamil-provider"]).toBe("good");
    expect(body.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("Hello!");
  });

  it.each(names)("a model's own time-outs come before its provider's: %s", async (name) => {
    const { headers } = await door.stream(target, ask(`own-${name}`));
    expect(headers["x-optamil-provider"]).toBe("good");
  });

  it("a model's own total comes before its provider's", async () => {
    const { headers } = await door.chat(target, ask("own-silent"));
    expect(headers["x-optamil-provider"]).toBe("good");
  });

  it("a whole answer that takes longer than the provider's total goes to the next one", async () => {
    const { body, headers } = await door.chat(target, ask("slow-silent"));
    expect(headers["x-optamil-provider"]).toBe("good");
    expect(body.choices[0]?.message.content).toBe("Hello!");
  });

  it.each(Object.keys(tls))(
    "an upstream whose TLS is %s is not sent a word, and another one answers",
    async (name) => {
      for (const send of [door.chat, door.stream]) {
        const { headers } = await send(target, ask(`tls-${name}`));
        expect(headers["x-optamil-provider"]).toBe("good");
      }
    },
  );

  it("the answer is 503 where no other deployment is left", async () => {
    for (const send of [door.chat, door.stream]) {
      const refusal = await refusalOf(send(target, ask("alone")));
      expect(refusal).toMatchObject(fromRow(rows.down, door.kind));
      expect(refusal.headers["retry-after"]).toBe("1");
    }
  });
});

describe("a stream that falls silent after its first token", () => {
  it.each(["slow", "own"])("ends in an error frame over REST (%s)", async (kind) => {
    const path = "/v1/chat/completions";
    const body = { ...ask(`${kind}-broken`), stream: true };
    const reply = await sendHttp1(gateway.url, { path, headers: target.headers, body });
    const events = readEvents(reply.text);
    const { error } = JSON.parse(events.pop() ?? "");
    expect(error).toMatchObject({ type: "service_unavailable", code: 503, param: null });
    expect(events.map((one) => JSON.parse(one).choices[0].delta.content)).toEqual(["", "Hello"]);
  });

  it("ends with UNAVAILABLE over gRPC", async () => {
    const refusal = await refusalOf(grpc?.stream(target, ask("slow-broken")) ?? Promise.resolve());
    expect(refusal).toMatchObject(fromRow(rows.down, "rpc"));
  });
});

it("each of them has one event, and its attempts say what ran out", async () => {
  const select = `SELECT requested_model AS model, arraySort(groupUniqArray(outcome)) AS outcomes,
      arraySort(groupUniqArrayArray(attempts.error_class)) AS classes
    FROM usage_events FINAL GROUP BY model ORDER BY model`;
  const timedOut = { outcomes: ["stream_ok"], classes: ["timeout"] };
  await expect
    .poll(() => askWarehouse(gateway, select), { timeout: 20_000 })
    .toEqual([
      { model: "alone", outcomes: ["upstream_error"], classes: ["timeout"] },
      { model: "own-broken", outcomes: ["upstream_partial"], classes: ["timeout"] },
      { model: "own-headed", ...timedOut },
      { model: "own-pinging", ...timedOut },
      { model: "own-rolled", ...timedOut },
      { model: "own-silent", outcomes: ["ok", "stream_ok"], classes: ["timeout"] },
      { model: "slow-broken", outcomes: ["upstream_partial"], classes: ["timeout"] },
      { model: "slow-headed", ...timedOut },
      { model: "slow-pinging", ...timedOut },
      { model: "slow-rolled", ...timedOut },
      { model: "slow-silent", outcomes: ["ok", "stream_ok"], classes: ["timeout"] },
      { model: "tls-closing", outcomes: ["ok", "stream_ok"], classes: ["connect"] },
      { model: "tls-mute", outcomes: ["ok", "stream_ok"], classes: ["timeout"] },
      { model: "tls-plain", outcomes: ["ok", "stream_ok"], classes: ["connect"] },
      { model: "tls-untrusted", outcomes: ["ok", "stream_ok"], classes: ["connect"] },
    ]);
}, 60_000);

it("no connection to the slow upstream stays open", async () => {
  for (const { socketClosed } of bad.requests) await socketClosed;
  expect(bad.requests.length).toBeGreaterThan(names.length);
  const { text } = await sendHttp1(gateway.url, { path: "/v1/usage", headers: target.headers });
  expect(JSON.parse(text).credits_used).toBeGreaterThan(0);
});
