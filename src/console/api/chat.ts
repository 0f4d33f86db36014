// One streamed chat answer, told piece by piece.
import { type CallOptions, createClient } from "@connectrpc/connect";
import { ChatService } from "../../gen/optamil/v1/chat_pb.ts";
import { type Failure, toFailure } from "./failure.ts";
import { bearerOf, transport } from "./transport.ts";

const chatClient = createClient(ChatService, transport);

/** What is asked. */
export type Question = {
  readonly model: string;
  readonly prompt: string;
  /** Instructions before the prompt; empty: none. */
  readonly system: string;
  /** How good an answer of `auto` must be, 0 to 1; undefined: the account's. */
  readonly quality: number | undefined;
  /** Tokens of the answer at most; undefined: the model's. */
  readonly tokensMax: number | undefined;
  /** Key that pays; empty: whoever is signed in. */
  readonly key: string;
  /** What the work is called in the usage; empty: nothing. */
  readonly tag: string;
};

/** What is known of an answer so far. */
export type Answer = {
  readonly state: "running" | "done" | "failed";
  readonly text: string;
  /** Model that answers, its tier and provider; empty until the head is here. */
  readonly model: string;
  readonly tier: string;
  readonly provider: string;
  /** Why the router chose, as `x-optamil-route` says it; empty for a model that was named. */
  readonly route: string;
  /** The answer's x-request-id. */
  readonly requestId: string;
  /** Credits charged, as the trailer says it. */
  readonly credits: string;
  /** Milliseconds until the first text, and until the end. */
  readonly firstMs: number | undefined;
  readonly totalMs: number | undefined;
  readonly promptTokens: number | undefined;
  readonly completionTokens: number | undefined;
  readonly failure: Failure | undefined;
};

const blank: Answer = {
  state: "running",
  text: "",
  model: "",
  tier: "",
  provider: "",
  route: "",
  requestId: "",
  credits: "",
  firstMs: undefined,
  totalMs: undefined,
  promptTokens: undefined,
  completionTokens: undefined,
  failure: undefined,
};

/** Asks, and tells the answer as it grows. Never rejects: a refusal is in the last answer that is told. */
export async function askStreamed(
  question: Question,
  signal: AbortSignal,
  tell: (answer: Answer) => void,
): Promise<void> {
  const startMs = performance.now();
  let answer = blank;
  const change = (changes: Partial<Answer>) => {
    answer = { ...answer, ...changes };
    tell(answer);
  };
  change({});
  try {
    for await (const chunk of chatClient.streamChatCompletion(toRequest(question), {
      ...readHead(change),
      signal,
      headers: toHeaders(question),
    })) {
      const piece = chunk.choices[0]?.delta?.content ?? "";
      const { usage } = chunk;
      change({
        text: answer.text + piece,
        ...(piece !== "" &&
          answer.firstMs === undefined && { firstMs: performance.now() - startMs }),
        ...(usage && {
          promptTokens: usage.promptTokens,
          completionTokens: usage.completionTokens,
        }),
      });
    }
    change({ state: "done", totalMs: performance.now() - startMs });
  } catch (thrown) {
    const failure = signal.aborted ? undefined : toFailure(thrown);
    change({ state: "failed", failure, totalMs: performance.now() - startMs });
  }
}

function readHead(change: (changes: Partial<Answer>) => void): CallOptions {
  return {
    onHeader: (headers) =>
      change({
        model: headers.get("x-optamil-model") ?? "",
        tier: headers.get("x-optamil-tier") ?? "",
        provider: headers.get("x-optamil-provider") ?? "",
        route: headers.get("x-optamil-route") ?? "",
        requestId: headers.get("x-request-id") ?? "",
      }),
    onTrailer: (trailers) => change({ credits: trailers.get("x-optamil-credits") ?? "" }),
  };
}

function toRequest({ model, prompt, system, quality, tokensMax }: Question) {
  const text = (value: string) => ({ kind: { case: "text", value } }) as const;
  const asked = { role: "user", content: text(prompt) };
  return {
    model,
    messages: system === "" ? [asked] : [{ role: "system", content: text(system) }, asked],
    streamOptions: { includeUsage: true },
    ...(tokensMax !== undefined && { maxCompletionTokens: tokensMax }),
    ...(quality !== undefined && model === "auto" && { optamil: { quality } }),
  };
}

function toHeaders({ key, tag }: Question): Record<string, string> {
  return {
    ...(key !== "" && { authorization: bearerOf(key) }),
    ...(tag !== "" && { "x-optamil-tag": tag }),
  };
}
