/** Clients of every API that never stop asking, leave in the middle of three answers in ten, and remember what they saw. */
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ChatService } from "../../src/gen/optamil/v1/chat_pb.ts";
import { createRandom } from "../admission/traffic.ts";
import { bearer } from "../e2e/doors.ts";

/** Where a proxy takes HTTP/1.1, and gRPC. */
export type Target = { readonly url: string; readonly grpcUrl: string };

/** A request that failed, though nobody left it. */
export type Failure = {
  readonly kind: string;
  readonly why: string;
  readonly startedMs: number;
  readonly endedMs: number;
};

/** One call of a client. */
type Call = Target & {
  readonly key: string;
  readonly model: string;
  readonly signal: AbortSignal;
};

/** What a client can ask; gives the request's id once the whole answer is there. */
type Ask = (call: Call) => Promise<string>;

const messages = [{ role: "user", content: "Say hello." }];
const requestTimeoutMs = 30_000;
const leavesShare = 0.3;
const leavesWithinMs = 60;

function rest(path: string, toBody: (model: string) => object, isWhole: (text: string) => boolean) {
  return async ({ url, key, model, signal }: Call) => {
    const response = await fetch(url + path, {
      method: "POST",
      headers: { ...bearer(key), "content-type": "application/json" },
      body: JSON.stringify(toBody(model)),
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${response.status} ${text.slice(0, 200)}`);
    if (!isWhole(text)) throw new Error(`half an answer: ${text.slice(-100)}`);
    return response.headers.get("x-request-id") ?? "";
  };
}

const isJson = (text: string) => text.endsWith("}");
const endsWith = (word: string) => (text: string) => text.trimEnd().endsWith(word);
const saysAtEnd = (word: string) => (text: string) => text.slice(-2_000).includes(word);

const chat = (model: string) => ({ model, messages });
const response = (model: string) => ({ model, input: "Say hello." });
const message = (model: string) => ({ model, messages, max_tokens: 100 });

const grpcMessages = [
  { role: "user", content: { kind: { case: "text", value: "Say hello." } } },
] as const;

/** A connection for each address, as applications keep one. */
const grpcClients = new Map<string, ReturnType<typeof openGrpc>>();
const openGrpc = (baseUrl: string) => createClient(ChatService, createGrpcTransport({ baseUrl }));

function grpc({ grpcUrl, key, signal }: Call) {
  const client = grpcClients.get(grpcUrl) ?? openGrpc(grpcUrl);
  grpcClients.set(grpcUrl, client);
  let requestId = "";
  const onHeader = (headers: Headers) => {
    requestId = headers.get("x-request-id") ?? "";
  };
  const options = { headers: bearer(key), signal, timeoutMs: requestTimeoutMs, onHeader };
  return { client, options, requestId: () => requestId };
}

const kinds: Readonly<Record<string, Ask>> = {
  "REST chat": rest("/v1/chat/completions", chat, isJson),
  "REST chat stream": rest(
    "/v1/chat/completions",
    (model) => ({ ...chat(model), stream: true }),
    endsWith("data: [DONE]"),
  ),
  "REST responses": rest("/v1/responses", response, isJson),
  "REST responses stream": rest(
    "/v1/responses",
    (model) => ({ ...response(model), stream: true }),
    saysAtEnd('"response.completed"'),
  ),
  "REST messages": rest("/v1/messages", message, isJson),
  "REST messages stream": rest(
    "/v1/messages",
    (model) => ({ ...message(model), stream: true }),
    saysAtEnd('"message_stop"'),
  ),
  embeddings: rest(
    "/v1/embeddings",
    () => ({ model: "lab-vectors", input: ["a cat", "two cats"] }),
    isJson,
  ),
  "gRPC chat": async (call) => {
    const { client, options, requestId } = grpc(call);
    await client.createChatCompletion({ model: call.model, messages: [...grpcMessages] }, options);
    return requestId();
  },
  "gRPC chat stream": async (call) => {
    const { client, options, requestId } = grpc(call);
    const asked = { model: call.model, messages: [...grpcMessages] };
    let reason: unknown;
    for await (const { choices } of client.streamChatCompletion(asked, options)) {
      reason = choices[0]?.finishReason ?? reason;
    }
    if (reason === undefined) throw new Error("half an answer");
    return requestId();
  },
};

/** Clients that ask until they are stopped. */
export class MixedClients {
  /** Request ids of whole answers. */
  readonly received = new Set<string>();
  readonly failures: Failure[] = [];
  /** Whole answers by kind. */
  readonly answers: Record<string, number> = {};
  /** Requests that their client left. */
  left = 0;
  readonly #target: Target;
  readonly #keys: readonly string[];
  readonly #random: () => number;
  readonly #running: Promise<void>[];
  #stopped = false;

  constructor(target: Target, keys: readonly string[], clients: number, seed: number) {
    this.#target = target;
    this.#keys = keys;
    this.#random = createRandom(seed);
    this.#running = Array.from({ length: clients }, (_, client) => this.#run(client));
  }

  /** All requests so far. */
  get asked(): number {
    return this.received.size + this.failures.length + this.left;
  }

  /** Resolves when the last request has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #run(client: number): Promise<void> {
    const names = Object.keys(kinds);
    const key = this.#keys[client % this.#keys.length] ?? "";
    while (!this.#stopped) {
      const name = names[Math.floor(this.#random() * names.length)] ?? "";
      const model = this.#random() < 0.5 ? "auto" : "lab-model";
      await this.#ask(name, { ...this.#target, key, model });
    }
  }

  async #ask(kind: string, call: Omit<Call, "signal">): Promise<void> {
    const leaving = new AbortController();
    const leaves = this.#random() < leavesShare;
    const leave = () => leaving.abort();
    const timer = leaves ? setTimeout(leave, this.#random() * leavesWithinMs) : undefined;
    const startedMs = performance.now();
    try {
      const requestId = await kinds[kind]?.({ ...call, signal: leaving.signal });
      this.received.add(requestId ?? "");
      this.answers[kind] = (this.answers[kind] ?? 0) + 1;
    } catch (error) {
      if (leaving.signal.aborted) this.left += 1;
      else {
        const why = error instanceof Error ? `${error.message} ${error.cause ?? ""}` : `${error}`;
        this.failures.push({ kind, why, startedMs, endedMs: performance.now() });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
