// Answers a request that carries an `Idempotency-Key` once, however often it comes in.
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import type { Idempotency, KeyedTry } from "../admission/idempotency.ts";
import { CreateChatCompletionRequestSchema } from "../gen/optamil/v1/chat_pb.ts";
import { OptamilError } from "../platform/errors.ts";
import type { UuidSource } from "../platform/uuid.ts";
import { answer, type ChatParts } from "./answer.ts";
import type { AnswerSink, ChatCall } from "./call.ts";
import { decodeKeptAnswer, encodeKeptAnswer, replay } from "./kept-answer.ts";
import { Recorder, type RecordingRoom } from "./recorder.ts";

/** What answering once needs; made once at start. */
export type OnceParts = ChatParts & {
  readonly idempotency: Idempotency;
  readonly uuids: UuidSource;
  readonly recordings: RecordingRoom;
  /** Told that the end of a keyed request could not be remembered: its answer goes out all the same. */
  readonly onUnremembered: (error: unknown, requestId: string) => void;
};

/**
 * Answers like `answer`; with a key it has seen, it gives the answer of that time again, without a charge, an
 * event or a claim on any limit.
 *
 * An answer that was charged is remembered before its end goes out. What was free, because it failed or its
 * client left before the first content, may run again under the same key. An answer that was charged but
 * cannot be given again (larger than 1 MiB, or cut off by its client) stays remembered without its text.
 *
 * Throws what `answer` throws, `conflict` (the first request still runs; or, with x-should-retry: false, its
 * answer was not kept or is none for RPC), `idempotency_mismatch`, `service_unavailable` (the key cannot be claimed).
 */
export async function answerOnce(
  call: ChatCall,
  sink: AnswerSink,
  parts: OnceParts,
): Promise<void> {
  if (call.idempotencyKey === undefined) return answer(call, sink, parts);
  const attempt: KeyedTry = {
    accountId: call.caller.accountId,
    key: call.idempotencyKey,
    bodyDigest: digestOf(call),
    eventId: parts.uuids.text(),
  };
  const begun = await parts.idempotency.begin(attempt);
  if (begun.kind === "new") return answerFirst(attempt, call, sink, parts);
  if (begun.kind === "running") throw stillRunning();
  if (begun.kind === "mismatch") throw otherRequest();
  const kept = begun.answer && decodeKeptAnswer(begun.answer);
  if (kept === undefined) throw notKept();
  replay(kept, parts.clock.monotonicMs() - call.receivedAtMs, sink);
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
    await remember(attempt, recorder, call, parts);
    recorder.close();
  }
  recorder.release();
}

/** Ends the try by what it cost. Never throws: the charge is made, so the client gets its answer. */
async function remember(
  attempt: KeyedTry,
  recorder: Recorder,
  { requestId }: ChatCall,
  { idempotency, onUnremembered }: OnceParts,
): Promise<void> {
  try {
    if (recorder.chargeMicro === 0n) {
      await idempotency.forget(attempt);
      return;
    }
    const kept = recorder.answer();
    await idempotency.finish(attempt, kept && encodeKeptAnswer(kept));
  } catch (error) {
    onUnremembered(error, requestId);
  }
}

/** Equal for equal requests of an account, whichever door they came by. */
function digestOf({ caller, request, stream }: ChatCall): string {
  // In RPC the method says whether the answer streams, in REST the field does.
  const canonical = toBinary(CreateChatCompletionRequestSchema, { ...request, stream });
  return createHash("sha256").update(`${caller.accountId}\n`).update(canonical).digest("base64url");
}

function stillRunning(): OptamilError {
  return new OptamilError(
    "conflict",
    "A request with this Idempotency-Key is still running. Try again in a moment.",
    { retryAfterMs: 1_000 },
  );
}

function otherRequest(): OptamilError {
  return new OptamilError(
    "idempotency_mismatch",
    "This Idempotency-Key was used for another request. Use a new key for each request.",
  );
}

function notKept(): OptamilError {
  return new OptamilError(
    "conflict",
    "The request with this Idempotency-Key was answered and charged, but its answer was not kept: it is " +
      "too large, or the connection was closed before its end. Use a new key to ask again.",
    { shouldRetry: false },
  );
}
