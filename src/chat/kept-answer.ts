// An answer as it is kept for repeats: the same bytes, whatever door it went out by.
import { Buffer } from "node:buffer";
import { OptamilError } from "../platform/errors.ts";
import { fromCompletionText, fromEventsText } from "./answer-json.ts";
import type { AnswerHead, AnswerSink } from "./call.ts";

/** An answer that was given. */
export type KeptAnswer = {
  readonly head: AnswerHead;
  /** What it cost, micro-credits. */
  readonly chargeMicro: bigint;
  /** Whether `body` is one JSON document, or server-sent events without the last one. */
  readonly form: "json" | "events";
  readonly body: Uint8Array;
};

/** Raised whenever the shape changes: answers of another version are not replayed. */
const version = 1;

/** The first line of a kept answer; the body follows it. */
type FirstLine = {
  readonly version: number;
  readonly form: "json" | "events";
  readonly chargeMicro: string;
  readonly head: Omit<AnswerHead, "creditsMicro" | "route"> & { readonly route?: string };
  readonly creditsMicro: string;
};

/** The answer as bytes. */
export function encodeKeptAnswer({ head, chargeMicro, form, body }: KeptAnswer): Uint8Array {
  const { creditsMicro, ...rest } = head;
  const line = JSON.stringify({
    version,
    form,
    chargeMicro: String(chargeMicro),
    creditsMicro: String(creditsMicro),
    head: rest,
  });
  return Buffer.concat([Buffer.from(`${line}\n`), body]);
}

/** The answer that `encodeKeptAnswer` made bytes of; undefined if another version of it did. */
export function decodeKeptAnswer(bytes: Uint8Array): KeptAnswer | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lineEnd = buffer.indexOf(0x0a);
  const line: FirstLine = JSON.parse(buffer.toString("utf8", 0, lineEnd));
  if (line.version !== version) return undefined;
  return {
    head: {
      ...line.head,
      route: line.head.route,
      creditsMicro: BigInt(line.creditsMicro),
    },
    chargeMicro: BigInt(line.chargeMicro),
    form: line.form,
    body: buffer.subarray(lineEnd + 1),
  };
}

/**
 * Gives a kept answer to a sink, all of it at once: it is at most 1 MiB.
 *
 * Throws `conflict` before anything went out if a sink of messages is to have what its provider wrote in
 * another shape than OpenAI's: REST passes such bytes on as they are.
 */
export function replay(answer: KeptAnswer, overheadMs: number, sink: AnswerSink): void {
  const give = answer.form === "json" ? toUnaryReplay(answer, sink) : toStreamReplay(answer, sink);
  sink.head({ ...answer.head, overheadMs, replayed: true });
  give();
}

function toUnaryReplay({ body }: KeptAnswer, sink: AnswerSink): () => void {
  if (sink.form === "json") return () => sink.json(body);
  const message = decode(body, fromCompletionText);
  return () => sink.message(message);
}

function toStreamReplay({ body, chargeMicro }: KeptAnswer, sink: AnswerSink): () => void {
  const chunks = sink.form === "json" ? undefined : decode(body, fromEventsText);
  return () => {
    if (chunks === undefined) sink.events(body);
    else sink.chunks(chunks);
    sink.end(chargeMicro);
  };
}

function decode<T>(body: Uint8Array, fromText: (text: string) => T): T {
  try {
    return fromText(new TextDecoder().decode(body));
  } catch (cause) {
    throw new OptamilError(
      "conflict",
      "The request with this Idempotency-Key was answered over REST in a shape that RPC does not have. " +
        "Repeat it over REST.",
      { cause, shouldRetry: false },
    );
  }
}
