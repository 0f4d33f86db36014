import { isDeepStrictEqual } from "node:util";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ChatService } from "../../src/gen/optamil/v1/chat_pb.ts";
import { errorTable } from "../../src/platform/errors.ts";
import { askWarehouse } from "../chaos/books.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { readRefusal, refusalOf } from "./refusals.ts";
import { sendHttp1 } from "./rest-client.ts";
import { faultyProviders, type Seen } from "./wall/fault.ts";
import { faults, freeOfCharge } from "./wall/faults.ts";

type Mode = "unary" | "stream";
type Result = { readonly seen: Seen; readonly requestId: string };

const doors = ["REST", "gRPC", "Messages", "Responses"] as const;
/** A model for each call, so that a circuit that opens is nobody else's. */
const cases = faults.flatMap((fault, at) =>
  (["unary", "stream"] as const).flatMap((mode) => {
    if (fault[mode] === undefined) return [];
    return doors.map((door) => ({ fault, mode, door, model: `fault-${at}-${mode}-${door}` }));
  }),
);
const upstream = await openUpstream(async (response, request) => {
  const name = /fault-\d+-\w+-\w+/.exec(`${request.url} ${request.text}`)?.[0];
  const found = cases.find(({ model }) => model === name);
  await found?.fault[found.mode]?.[0](response, request);
});
afterAll(upstream.close);
const gateway = await startGateway({
  config: {
    models: cases.map(({ model }) => ({ name: model, tier: "mid" })),
    providers: Object.entries(faultyProviders).map(([name, options]) => ({
      ...{ name: `lab-${name}`, baseUrl: upstream.baseUrl, ...options },
      models: cases.filter(({ fault }) => fault.kind === name).map(({ model }) => model),
    })),
  },
});
const headers = bearer(gateway.key);
const grpc = createClient(ChatService, createGrpcTransport({ baseUrl: gateway.url }));
const results = new Map<string, Result>();

async function askRest(model: string, mode: Mode): Promise<Result> {
  const messages = [{ role: "user", content: "Say hello." }];
  const reply = await sendHttp1(gateway.url, {
    ...{ path: "/v1/chat/completions", headers },
    body: { model, messages, ...(mode === "stream" && { stream: true }) },
  });
  const requestId = reply.headers["x-request-id"] ?? "";
  if (reply.status !== 200) {
    const { type } = readRefusal(reply);
    return { requestId, seen: { end: "refused", text: "", type } };
  }
  if (mode === "unary") {
    const text = JSON.parse(reply.text).choices[0].message.content ?? "";
    return { requestId, seen: { end: "complete", text } };
  }
  const events = reply.text
    .split("\n\n")
    .flatMap((frame) => frame.match(/^data: (.*)$/)?.[1] ?? []);
  const last = events.pop() ?? "";
  const text = events.map((one) => JSON.parse(one).choices[0]?.delta.content ?? "").join("");
  if (last === "[DONE]") return { requestId, seen: { end: "complete", text } };
  return { requestId, seen: { end: "broken", text, type: JSON.parse(last).error.type } };
}

async function askGrpc(model: string, mode: Mode): Promise<Result> {
  const content = { kind: { case: "text" as const, value: "Say hello." } };
  const request = { model, messages: [{ role: "user", content }] };
  let requestId = "";
  let text = "";
  let begun = false;
  const options = {
    headers,
    onHeader: (leading: Headers) => {
      requestId = leading.get("x-request-id") ?? "";
    },
  };
  try {
    if (mode === "unary") {
      const { choices } = await grpc.createChatCompletion(request, options);
      return { requestId, seen: { end: "complete", text: choices[0]?.message?.content ?? "" } };
    }
    for await (const { choices } of grpc.streamChatCompletion(request, options)) {
      begun = true;
      text += choices[0]?.delta?.content ?? "";
    }
    return { requestId, seen: { end: "complete", text } };
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const refusal = await refusalOf(Promise.reject(error));
    const end = begun ? "broken" : "refused";
    return {
      requestId: requestId || refusal.headers["x-request-id"] || "",
      seen: { end, text, type: refusal.type },
    };
  }
}

/** Named events, and the JSON that they carry. */
function readNamed(text: string) {
  return text.split("\n\n").flatMap((frame) => {
    const [, name, data = ""] = frame.match(/^event: (\S+)\ndata: (.*)$/) ?? [];
    return name === undefined ? [] : [{ name, data: JSON.parse(data) }];
  });
}

/** Anthropic's types by those of the chat door. */
const anthropicTypes = new Map(
  Object.values(errorTable).map(({ type, anthropicType }) => [type, anthropicType]),
);

async function askMessages(model: string, mode: Mode): Promise<Result> {
  const messages = [{ role: "user", content: "Say hello." }];
  const reply = await sendHttp1(gateway.url, {
    ...{ path: "/v1/messages", headers },
    body: { model, max_tokens: 100, messages, ...(mode === "stream" && { stream: true }) },
  });
  const requestId = reply.headers["x-request-id"] ?? "";
  if (reply.status !== 200) {
    const { type } = readRefusal(reply);
    return { requestId, seen: { end: "refused", text: "", type } };
  }
  if (mode === "unary") {
    const { content }: { content: { text?: string }[] } = JSON.parse(reply.text);
    return { requestId, seen: { end: "complete", text: content.map((one) => one.text).join("") } };
  }
  const events = readNamed(reply.text);
  const text = events.map(({ data }) => data.delta?.text ?? "").join("");
  const { name, data } = events.at(-1) ?? {};
  if (name === "message_stop") return { requestId, seen: { end: "complete", text } };
  return { requestId, seen: { end: "broken", text, type: data.error.type } };
}

async function askResponses(model: string, mode: Mode): Promise<Result> {
  const reply = await sendHttp1(gateway.url, {
    ...{ path: "/v1/responses", headers },
    body: { model, input: "Say hello.", ...(mode === "stream" && { stream: true }) },
  });
  const requestId = reply.headers["x-request-id"] ?? "";
  if (reply.status !== 200) {
    const { type } = readRefusal(reply);
    return { requestId, seen: { end: "refused", text: "", type } };
  }
  const events = readNamed(reply.text);
  const whole = mode === "unary" ? JSON.parse(reply.text) : events.at(-1)?.data.response;
  const parts: { text: string }[] = whole.output.flatMap(({ content }: Output) => content);
  const text = parts.map((part) => part.text).join("");
  if (whole.status === "completed") return { requestId, seen: { end: "complete", text } };
  const { data } = events.find(({ name }) => name === "error") ?? {};
  return { requestId, seen: { end: "broken", text, type: data.error.type } };
}

type Output = { readonly content: readonly { readonly text: string }[] };

const askBy = { REST: askRest, gRPC: askGrpc, Messages: askMessages, Responses: askResponses };
const atOnce = 8;

async function run({ door, model, mode }: (typeof cases)[number]): Promise<void> {
  results.set(model, await askBy[door](model, mode));
}

beforeAll(async () => {
  const isWaitedOut = ({ fault }: (typeof cases)[number]) => fault.kind.startsWith("hasty");
  const calls = cases.filter((call) => !isWaitedOut(call));
  const work = async () => {
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) await run(call);
  };
  await Promise.all(cases.filter(isWaitedOut).map(run));
  await Promise.all(Array.from({ length: atOnce }, work));
}, 120_000);

describe.each(doors)("over %s a client of an upstream that gives", (wanted) => {
  const rows = cases.filter(({ door }) => door === wanted);
  it.each(rows.map((row) => ({ ...row, kind: row.fault.kind, name: row.fault.name })))(
    "$name ($kind, $mode) sees what is true",
    (call) => {
      const wanted = call.fault[call.mode]?.[1];
      const type = anthropicTypes.get(wanted?.type ?? "");
      expect(results.get(call.model)?.seen).toEqual(
        call.door === "Messages" && type !== undefined ? { ...wanted, type } : wanted,
      );
    },
  );
});

const isCharged = ({ fault, model }: (typeof cases)[number]) =>
  results.get(model)?.seen.end === "complete" && !freeOfCharge.has(fault.name);

/** Requests whose events are not as they should be. */
async function findWrong() {
  const select =
    "SELECT request_id, outcome, toInt64(credits_micro) / 1000000 AS credits FROM usage_events FINAL";
  const events = await askWarehouse<{ request_id: string; outcome: string; credits: number }>(
    gateway,
    select,
  );
  const byRequest = Map.groupBy(events, ({ request_id }) => request_id);
  return cases.flatMap((call) => {
    const { fault, mode, model } = call;
    const { requestId = "", seen } = results.get(model) ?? {};
    const outcomes = {
      complete: mode === "stream" ? "stream_ok" : "ok",
      ...{ broken: "upstream_partial", refused: "upstream_error" },
    };
    const wanted = { outcome: seen && outcomes[seen.end], credits: isCharged(call) ? 1 : 0 };
    const found = (byRequest.get(requestId) ?? []).map(({ outcome, credits }) => ({
      outcome,
      credits,
    }));
    return isDeepStrictEqual(found, [wanted]) ? [] : [{ model, name: fault.name, wanted, found }];
  });
}

it("each of these requests leaves one event with its outcome and its charge", async () => {
  await expect.poll(findWrong, { timeout: 30_000, interval: 500 }).toEqual([]);
  console.log(`figure  wall  ${JSON.stringify({ faults: faults.length, requests: results.size })}`);
}, 60_000);

it("nothing is left of them: every upstream socket is closed, and no credit is held", async () => {
  // Connections in good order are kept for some seconds.
  await expect.poll(upstream.countSockets, { timeout: 20_000 }).toBe(0);
  const { text } = await sendHttp1(gateway.url, { path: "/v1/usage", headers });
  const { credits_used: used, credits_remaining: left, credits_total: total } = JSON.parse(text);
  expect(used).toBe(cases.filter(isCharged).length);
  expect(used + left).toBe(total);
}, 30_000);
