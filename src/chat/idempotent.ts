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
export async function answerOnce(
  call: ChatCall,
  sink: AnswerSink,
  parts: OnceParts,
): Promise<void> {
  const { accountId } = call.caller;
  const { content } = parts;
  if (content === undefined || content.daysOf(accountId) === 0)
    return answerByKey(call, sink, parts);
  const noting = new ContentSink(sink);
  try {
    await answerByKey(call, noting, parts);
  } finally {
    const noted = noting.noted(call.request);
    if (noted !== undefined) content.keep(accountId, call.requestId, noted);
  }
}

async function answerByKey(call: ChatCall, sink: AnswerSink, parts: OnceParts): Promise<void> {
  const { idempotencyKey: key, request, stream } = call;
  if (key === undefined) return answer(call, sink, parts);
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
