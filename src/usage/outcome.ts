// How a request can end, by name.
import { Outcome } from "../gen/optamil/v1/event_pb.ts";

const outcomeNames: ReadonlyMap<Outcome, string> = new Map([
  [Outcome.OK, "ok"],
  [Outcome.STREAM_OK, "stream_ok"],
  [Outcome.CLIENT_CANCEL_BEFORE, "client_cancel_before"],
  [Outcome.CLIENT_CANCEL_PARTIAL, "client_cancel_partial"],
  [Outcome.UPSTREAM_ERROR, "upstream_error"],
  [Outcome.UPSTREAM_PARTIAL, "upstream_partial"],
  [Outcome.TIMEOUT, "timeout"],
  [Outcome.GATEWAY_ABORT, "gateway_abort"],
  [Outcome.REJECTED_402, "rejected_402"],
  [Outcome.REJECTED_429, "rejected_429"],
  [Outcome.REJECTED_4XX, "rejected_4xx"],
]);

/** The name of an outcome as analysts see it; undefined for one that this version does not know. */
export function outcomeName(outcome: Outcome): string | undefined {
  return outcomeNames.get(outcome);
}

/** How the relaying of an answer ended. */
export type Ending = {
  /** "complete", or who ended it before. "deadline" is the one that the client set. */
  readonly by: "complete" | "client" | "deadline" | "upstream" | "gateway";
  readonly stream: boolean;
  /** Whether content had reached the client. */
  readonly contentSent: boolean;
};

/**
 * The outcome of an admitted request.
 *
 * A deadline of the client's own after content is the client's leaving; before content it is TIMEOUT.
 * "gateway" (shutdown, revoked key) after content counts as the upstream's cut: the client is not charged.
 */
export function toOutcome({ by, stream, contentSent }: Ending): Outcome {
  switch (by) {
    case "complete":
      return stream ? Outcome.STREAM_OK : Outcome.OK;
    case "client":
      return contentSent ? Outcome.CLIENT_CANCEL_PARTIAL : Outcome.CLIENT_CANCEL_BEFORE;
    case "deadline":
      return contentSent ? Outcome.CLIENT_CANCEL_PARTIAL : Outcome.TIMEOUT;
    case "upstream":
      return contentSent ? Outcome.UPSTREAM_PARTIAL : Outcome.UPSTREAM_ERROR;
    case "gateway":
      return contentSent ? Outcome.UPSTREAM_PARTIAL : Outcome.GATEWAY_ABORT;
  }
}

/** The outcome of a request that was refused after authentication with this HTTP status, 400 to 499. */
export function toRejection(status: number): Outcome {
  if (status === 402) return Outcome.REJECTED_402;
  return status === 429 ? Outcome.REJECTED_429 : Outcome.REJECTED_4XX;
}
