/** What every proxy of deploy/ must leave intact: run by the tests of each. */
import { request } from "node:https";
import { createServer } from "node:net";
import { createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ChatService } from "../../src/gen/optamil/v1/chat_pb.ts";
import { chunk, event, openUpstream } from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { type Gateway, startGateway } from "./gateway.ts";

const secure = { rejectUnauthorized: false };

/** An answer of a proxy, piece by piece as it comes; empty at its end. */
export type Pieces = { status: number | undefined; next: () => Promise<string> };

/** Sends a request through the proxy on a port of this machine. */
export function askProxy(port: number, path: string, headers = {}, body?: string): Promise<Pieces> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? "GET" : "POST";
    const url = `https://localhost:${port}${path}`;
    const sent = request(url, { ...secure, method, headers }, (response) => {
      const pieces = response[Symbol.asyncIterator]();
      const next = async () => String((await pieces.next()).value ?? "");
      resolve({ status: response.statusCode, next });
    });
    sent.on("error", reject).end(body);
  });
}

/** What is left of an answer. */
export async function rest({ next }: Pieces): Promise<string> {
  let text = "";
  for (let piece = await next(); piece !== ""; piece = await next()) text += piece;
  return text;
}

/** Starts a stream of chat through the proxy. */
export function askForStream(port: number, key: string): Promise<Pieces> {
  const headers = { ...bearer(key), "content-type": "application/json" };
  return askProxy(port, "/v1/chat/completions", headers, JSON.stringify({ ...chat, stream: true }));
}

/** A provider whose stream stops after its first token until it is told to go on. */
export async function openHaltingUpstream() {
  let proceed = () => {};
  const upstream = await openUpstream((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(event(chunk({ role: "assistant", content: "first" })));
    proceed = () =>
      response.end(
        `${event(chunk({ content: "last" }))}${event(chunk({}, "stop"))}data: [DONE]\n\n`,
      );
  });
  const { baseUrl, close } = upstream;
  const config = { providers: [{ name: "lab", kind: "openai", baseUrl, models: ["gpt-4.1"] }] };
  return { config, proceed: () => proceed(), close };
}

const chat = { model: "gpt-4.1", messages: [{ role: "user", content: "hello" }] };

/** The tests of a proxy, which `open` starts on a port in front of a gateway on another. */
export function keepsAllDoorsIntact(
  open: (gatewayPort: number, port: number) => Promise<void>,
): void {
  let upstream: Awaited<ReturnType<typeof openHaltingUpstream>>;
  let gateway: Gateway;
  let port = 0;
  let url = "";

  beforeAll(async () => {
    upstream = await openHaltingUpstream();
    gateway = await startGateway({ config: upstream.config });
    port = await freePort();
    url = `https://localhost:${port}`;
    await open(gateway.port, port);
    await vi.waitFor(
      async () => expect((await askProxy(port, "/readyz")).status).toBe(200),
      20_000,
    );
  }, 60_000);
  afterAll(() => upstream.close());

  it("a token of a stream arrives before the next one is there", async () => {
    const answer = await askForStream(port, gateway.key);
    expect(answer.status).toBe(200);
    expect(await answer.next()).toContain('"content":"first"');
    upstream.proceed();
    expect(await rest(answer)).toMatch(/"content":"last"[\s\S]+data: \[DONE\]\n\n$/);
  });

  it.each([
    ["gRPC", () => createGrpcTransport({ baseUrl: url, nodeOptions: secure })],
    [
      "gRPC-Web",
      () => createGrpcWebTransport({ baseUrl: url, httpVersion: "1.1", nodeOptions: secure }),
    ],
    [
      "Connect",
      () => createConnectTransport({ baseUrl: url, httpVersion: "2", nodeOptions: secure }),
    ],
  ])("so does a message of %s", async (_name, openTransport) => {
    const client = createClient(ChatService, openTransport());
    const { model } = chat;
    const messages = [
      { role: "user", content: { kind: { case: "text", value: "hello" } } } as const,
    ];
    const answers = client.streamChatCompletion(
      { model, messages },
      { headers: bearer(gateway.key) },
    );
    const words: (string | undefined)[] = [];
    for await (const { choices } of answers) {
      words.push(choices[0]?.delta?.content);
      if (words.length === 1) upstream.proceed();
    }
    expect(words.slice(0, 2)).toEqual(["first", "last"]);
  });

  it("gRPC's health is served, and metrics are not shown", async () => {
    const transport = createGrpcTransport({ baseUrl: url, nodeOptions: secure });
    const health = createClient(Health, transport);
    expect((await health.check({})).status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    expect((await askProxy(port, "/metrics", bearer(gateway.key))).status).toBe(404);
  });
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
