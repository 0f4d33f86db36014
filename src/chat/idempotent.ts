// Answers a chat request that carries an `Idempotency-Key` once, however often it comes in.
import { toBinary } from "@bufbuild/protobuf";
import type { KeyedTry } from "../admission/idempotency.ts";
import { CreateChatCompletionRequestSchema } from "../gen/optamil/v1/chat_pb.ts";
import { answer, type ChatParts } from "./answer.ts";
import type { AnswerSink, ChatCall } from "./call.ts";
import { ContentSink, type NotedContent } from "./content-sink.ts";
import { replay } from "./kept-answer.ts";
import { digestOf, type KeyedParts, remember, runKeyed } from "./keyed.ts";
import { Recorder, type RecordingRoom } from "./recorder.ts";

/** What answering once needs; made once at start. */
export type OnceParts = ChatParts &
  KeyedParts & {
    readonly recordings: RecordingRoom;
    /** Keeps what accounts that switched it on ask and are answered; undefined: this gateway keeps nothing. */
    readonly content?: KeepContent | undefined;
    /** Whether spans have what an account asks and is answered. Default: of no account. */
    readonly isContentTraced?: ((accountId: string) => boolean) | undefined;
  };

/** Keeps what is said in requests, for those accounts alone that want it. */
export type KeepContent = {
  /** Days for which an account's are kept; 0: not at all. */
  daysOf(accountId: string): number;
  /** Keeps one, later and without an error for its client. */
  keep(accountId: string, requestId: string, noted: NotedContent): void;
};

/**
 * Answers like `answer`; with a key it has seen, it gives the answer of that time again, without a charge, an
 * event or a claim on any limit.
 *
 * An answer that was charged is remembered before its end goes out. What was free, because it failed or its
 * client left before the first content, may run again under the same key. An answer that was charged but
 * cannot be given again (larger than 1 MiB, or cut off by its client) stays remembered without its text.
 *
 * Throws what `answer` and `runKeyed` throw; `conflict` too where a kept answer is none for RPC.
 */
export function answerOnce(call: ChatCall, sink: AnswerSink, parts: OnceParts): Promise<void> {
  const { accountId } = call.caller;
  const { content, isContentTraced } = parts;
  const keep = content !== undefined && content.daysOf(accountId) > 0 ? content : undefined;
  const isTraced = isContentTraced?.(accountId) ?? false;
  return keep !== undefined || isTraced
    ? answerNoted(call, sink, parts, { keep, isTraced })
    : answerByKey(call, sink, parts);
}

/** Who takes what is noted. */
type Noting = { readonly keep: KeepContent | undefined; readonly isTraced: boolean };

async function answerNoted(
  call: ChatCall,
  sink: AnswerSink,
  parts: OnceParts,
  { keep, isTraced }: Noting,
): Promise<void> {
  const trail = isTraced && call.trail?.trace?.sampled ? call.trail : undefined;
  const noting = new ContentSink(sink, trail !== undefined);
  if (trail !== undefined) trail.spanContent = () => noting.spanContent(call.request);
  try {
    await answerByKey(call, noting, parts);
  } finally {
    const noted = keep && noting.noted(call.request);
    if (noted !== undefined) keep?.keep(call.caller.accountId, call.requestId, noted);
  }
}

function answerByKey(call: ChatCall, sink: AnswerSink, parts: OnceParts): Promise<void> {
  const { idempotencyKey } = call;
  return idempotencyKey === undefined
    ? answer(call, sink, parts)
    : answerKeyed(idempotencyKey, call, sink, parts);
}

async function answerKeyed(
  key: string,
  call: ChatCall,
  sink: AnswerSink,
  parts: OnceParts,
): Promise<void> {
  const { request, stream } = call;
  // In RPC the method says whether the answer streams, in REST the field does.
  const canonical = toBinary(CreateChatCompletionRequestSchema, { ...request, stream });
  const once = { caller: call.caller, key, bodyDigest: digestOf(call.caller, "", canonical) };
  await runKeyed(once, parts, {
    first: (attempt) => answerFirst(attempt, call, sink, parts),
    again: (kept) => replay(kept, parts.clock.monotonicMs() - call.receivedAtMs, sink),
  });
}

async function answerFirst(
  attempt: KeyedTry,
  call: ChatCall,
  sink: AnswerSink,
  parts: OnceParts,
): Promise<void> {
  const recorder = new Recorder(sink, parts.recordings);
  try {
    await answer({ ...call, eventId: attempt.eventId }, recorder, parts);
  } finally {
    const { chargeMicro } = recorder;
    const result = { chargeMicro, answer: () => recorder.answer() };
    await remember(attempt, result, call.requestId, parts);
    recorder.close();
  }
  recorder.release();
}
