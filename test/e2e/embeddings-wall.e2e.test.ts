import { isDeepStrictEqual } from "node:util";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EmbeddingService } from "../../src/gen/optamil/v1/embeddings_pb.ts";
import { askWarehouse } from "../chaos/books.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { readRefusal, refusalOf } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";
import { embeddingFaults, type SeenVectors } from "./wall/embedding-faults.ts";
import { faultyProviders } from "./wall/fault.ts";

type Result = { readonly seen: SeenVectors; readonly requestId: string };

const doors = ["REST", "gRPC"] as const;
/** A model for each call, so that a circuit that opens is nobody else's. */
const cases = embeddingFaults.flatMap((fault, at) =>
  doors.map((door) => ({ fault, door, model: `fault-${at}-${door}` })),
);
const upstream = await openUpstream(async (response, request) => {
  const name = /fault-\d+-\w+?(?=["/:])/.exec(`${request.url} ${request.text}`)?.[0];
  await cases.find(({ model }) => model === name)?.fault.play(response, request);
});
afterAll(upstream.close);
const gateway = await startGateway({
  config: {
    models: cases.map(({ model: name }) => ({ name, tier: "mid", dimensions: 2 })),
    providers: Object.entries(faultyProviders).map(([name, options]) => ({
      ...{ name: `lab-${name}`, baseUrl: upstream.baseUrl, ...options },
      models: cases.filter(({ fault }) => fault.kind === name).map(({ model }) => model),
    })),
  },
});
const headers = bearer(gateway.key);
const grpc = createClient(EmbeddingService, createGrpcTransport({ baseUrl: gateway.url }));
const input = ["Hello.", "World."];
const results = new Map<string, Result>();

async function askRest(model: string): Promise<Result> {
  // On a connection of its own: Deno gives 408 to kept ones that pause for ten seconds, which a busy machine makes of one.
  const own = { ...headers, connection: "close" };
  const request = { path: "/v1/embeddings", headers: own, body: { model, input } };
  const reply = await sendHttp1(gateway.url, request);
  const requestId = reply.headers["x-request-id"] ?? "";
  if (reply.status !== 200) return { requestId, seen: readRefusal(reply).type };
  const { data }: { data: { embedding: number[] }[] } = JSON.parse(reply.text);
  return { requestId, seen: data.map(({ embedding }) => embedding) };
}

async function askGrpc(model: string): Promise<Result> {
  const values = input.map((value) => ({ kind: { case: "text" as const, value } }));
  const request = { model, input: { kind: { case: "list" as const, value: { values } } } };
  let requestId = "";
  const onHeader = (leading: Headers) => {
    requestId = leading.get("x-request-id") ?? "";
  };
  try {
    const { data } = await grpc.createEmbedding(request, { headers, onHeader });
    const seen = data.map(({ embedding }) =>
      embedding?.kind.case === "floats" ? embedding.kind.value.values : [],
    );
    return { requestId, seen };
  } catch (error) {
    const { type, headers: trailing } = await refusalOf(Promise.reject(error));
    return { requestId: requestId || trailing["x-request-id"] || "", seen: type };
  }
}

const askBy = { REST: askRest, gRPC: askGrpc };
const atOnce = 8;

beforeAll(async () => {
  const run = async ({ door, model }: (typeof cases)[number]) => {
    results.set(model, await askBy[door](model));
  };
  const isWaitedOut = ({ fault }: (typeof cases)[number]) => fault.kind.startsWith("hasty");
  const calls = cases.filter((call) => !isWaitedOut(call));
  const work = async () => {
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) await run(call);
  };
  await Promise.all(cases.filter(isWaitedOut).map(run));
  await Promise.all(Array.from({ length: atOnce }, work));
}, 120_000);

describe.each(doors)("over %s a client of embeddings whose upstream gives", (wanted) => {
  const rows = cases.filter(({ door }) => door === wanted);
  it.each(rows.map((row) => ({ ...row, kind: row.fault.kind, name: row.fault.name })))(
    "$name ($kind) sees what is true",
    ({ model, fault }) => expect(results.get(model)?.seen).toEqual(fault.seen),
  );
});

const isCharged = ({ fault }: (typeof cases)[number]) => typeof fault.seen !== "string";

/** Requests whose events are not as they should be. */
async function findWrong() {
  type Event = { request_id: string; outcome: string; operation: string; credits: number };
  const events = await askWarehouse<Event>(
    gateway,
    "SELECT request_id, outcome, operation, toInt64(credits_micro) / 1000000 AS credits FROM usage_events FINAL",
  );
  const byRequest = Map.groupBy(events, ({ request_id }) => request_id);
  return cases.flatMap((call) => {
    const { requestId: request_id = "" } = results.get(call.model) ?? {};
    const ended = isCharged(call)
      ? { outcome: "ok", operation: "embeddings", credits: 1 }
      : { outcome: "upstream_error", operation: "embeddings", credits: 0 };
    const found = byRequest.get(request_id) ?? [];
    const isRight = isDeepStrictEqual(found, [{ request_id, ...ended }]);
    return isRight ? [] : [{ model: call.model, name: call.fault.name, ended, found }];
  });
}

it("each of these requests leaves one event with its outcome and its charge", async () => {
  await expect.poll(findWrong, { timeout: 30_000, interval: 500 }).toEqual([]);
}, 60_000);

it("nothing is left of them: every upstream socket is closed, and no credit is held", async () => {
  // Connections in good order are kept for some seconds.
  await expect.poll(upstream.countSockets, { timeout: 20_000 }).toBe(0);
  const { text } = await sendHttp1(gateway.url, { path: "/v1/usage", headers });
  const { credits_used: used, credits_remaining: left, credits_total: total } = JSON.parse(text);
  expect(used).toBe(cases.filter(isCharged).length);
  expect(used + left).toBe(total);
}, 30_000);
