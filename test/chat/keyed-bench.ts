/** Keyed chat requests over the doors' own sinks, the meter of `createBench` and a store on disk. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, isMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { type LmdbIdempotency, openLmdbIdempotency } from "../../src/admission/lmdb-idempotency.ts";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { toCompletionText, toEventsText } from "../../src/chat/answer-json.ts";
import type { AnswerSink, ChatCall } from "../../src/chat/call.ts";
import { DeploymentHealth } from "../../src/chat/deployment-health.ts";
import { answerOnce } from "../../src/chat/idempotent.ts";
import { ProviderSlots } from "../../src/chat/provider-slots.ts";
import { RecordingRoom } from "../../src/chat/recorder.ts";
import { MessageSink } from "../../src/gateway/message-sink.ts";
import { type Reply, ReplyHead } from "../../src/gateway/reply.ts";
import { restFormatOf } from "../../src/gateway/rest-format.ts";
import { RestSink } from "../../src/gateway/rest-sink.ts";
import {
  ChatService,
  CreateChatCompletionRequestSchema,
  CreateChatCompletionResponseSchema,
  StreamChatCompletionResponseSchema,
} from "../../src/gen/optamil/v1/chat_pb.ts";
import { Cancellation } from "../../src/platform/cancellation.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";
import { openNetwork } from "../../src/router/network.ts";
import { type ScriptedProvider, scriptedProvider } from "../fakes/scripted-provider.ts";
import { createBench, type MeteringBench } from "./metering-bench.ts";

const network = openNetwork();
const unused = () => Promise.reject(new Error("the bench calls the use case itself"));
const formats = [
  restFormatOf({
    kind: "answer",
    method: ChatService.method.createChatCompletion,
    call: unused,
    translate: undefined,
  }),
  restFormatOf({
    kind: "answer",
    method: ChatService.method.streamChatCompletion,
    call: unused,
    translate: undefined,
  }),
] as const;

/** How a request differs from one over REST, in one piece, of the first account, with the key "key". */
export type KeyedAsk = {
  readonly key?: string;
  readonly door?: "rest" | "rpc";
  readonly stream?: boolean;
  readonly accountId?: string;
  readonly cancellation?: Cancellation;
  readonly request?: MessageInitShape<typeof CreateChatCompletionRequestSchema>;
};

/** What came out of the door: headers, and the body (over RPC: its messages as REST would write them). */
export type Given = { readonly headers: Record<string, string>; readonly body: string };

/** What a test turns and looks at. */
export type KeyedBench = {
  readonly meters: MeteringBench;
  readonly provider: ScriptedProvider;
  readonly store: LmdbIdempotency;
  /** Errors of the store that no client was told of. */
  readonly unremembered: unknown[];
  ask(asked?: KeyedAsk): Promise<Given>;
  close(): Promise<void>;
};

/** A bench whose recordings may take `roomBytes` of memory together. */
export function createKeyedBench(roomBytes?: number): KeyedBench {
  const path = mkdtempSync(join(tmpdir(), "optamil-keyed-"));
  const meters = createBench();
  const startMs = meters.nowMs;
  const clock = { wallMs: () => meters.nowMs, monotonicMs: () => meters.nowMs - startMs };
  const provider = scriptedProvider("one");
  const store = openLmdbIdempotency({ path, clock });
  const unremembered: unknown[] = [];
  const row = { model: "gpt-5", provider: "one", upstreamModel: "gpt-5", weight: 1, live: true };
  const parts = {
    catalogue: createCatalogue(),
    deployments: new Map([["gpt-5", [row]]]),
    providers: new Map([["one", provider]]),
    meter: meters.meter,
    clock,
    network,
    health: new DeploymentHealth({ clock }),
    slots: new ProviderSlots(),
    pingAfterMs: 15_000,
    idempotency: store,
    uuids: createUuidSource(clock),
    recordings: new RecordingRoom(roomBytes),
    onUnremembered: (error: unknown) => unremembered.push(error),
  };
  return {
    meters,
    provider,
    store,
    unremembered,
    ask(asked = {}) {
      const call = toCall(asked, clock.monotonicMs());
      const serve = (sink: AnswerSink) => answerOnce(call, sink, parts);
      return asked.door === "rpc" ? askRpc(call, serve) : askRest(call, serve);
    },
    async close() {
      await store.close();
      rmSync(path, { recursive: true });
    },
  };
}

function toCall(asked: KeyedAsk, receivedAtMs: number): ChatCall {
  const { stream = false, door = "rest" } = asked;
  return {
    requestId: "request-1",
    caller: {
      accountId: asked.accountId ?? "0190b2c4-0000-7000-8000-000000000001",
      keyId: "0190b2c4-0000-7000-8000-000000000002",
      plan: "business",
      scopes: ["chat"],
      models: undefined,
      expiresAt: 4_000_000_000,
    },
    request: create(CreateChatCompletionRequestSchema, {
      model: "gpt-5",
      messages: [{ role: "user", content: { kind: { case: "text", value: "Hello" } } }],
      // In RPC the method says whether to stream.
      ...(stream && door === "rest" && { stream }),
      ...asked.request,
    }),
    body: undefined,
    stream,
    cancellation: asked.cancellation ?? new Cancellation(),
    receivedAtMs,
    timeoutMs: 60_000,
    idempotencyKey: asked.key ?? "key",
    showRate: () => {},
  };
}

type Serve = (sink: AnswerSink) => Promise<void>;

async function askRest(call: ChatCall, serve: Serve): Promise<Given> {
  const headers: Record<string, string> = {};
  let body = "";
  const write = (data: string | Uint8Array = "") => {
    body += typeof data === "string" ? data : new TextDecoder().decode(data);
    return true;
  };
  const reply: Reply = {
    statusCode: 200,
    headersSent: false,
    destroyed: false,
    writableEnded: false,
    setHeader: (name, value) => {
      headers[name] = value;
    },
    hasHeader: (name) => name in headers,
    writeHead: () => {},
    write,
    end: write,
    once: () => {},
    destroy: () => {},
  };
  const [whole, streamed] = formats;
  const format = (call.stream ? streamed : whole)(call.requestId, call.request);
  await serve(new RestSink(reply, new ReplyHead(reply, 2), format, call.stream));
  return { headers, body };
}

async function askRpc(call: ChatCall, serve: Serve): Promise<Given> {
  const headers: Record<string, string> = {};
  const sink = new MessageSink((name, value) => {
    headers[name] = value;
  }, undefined);
  const done = serve(sink);
  if (!call.stream) {
    await done;
    const { answer } = sink;
    const isAnswer = isMessage(answer, CreateChatCompletionResponseSchema);
    return { headers, body: isAnswer ? toCompletionText(answer) : "" };
  }
  done.catch((error) => sink.abort(error));
  let body = "";
  const includeUsage = call.request.streamOptions?.includeUsage ?? false;
  for await (const chunk of sink) {
    if (isMessage(chunk, StreamChatCompletionResponseSchema)) {
      body += toEventsText([chunk], includeUsage);
    }
  }
  return { headers, body: `${body}data: [DONE]\n\n` };
}
