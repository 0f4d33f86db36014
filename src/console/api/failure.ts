// What a failed call says to a person.
import { Code, ConnectError } from "@connectrpc/connect";

/** A refusal in words, and whether it is about who asks. */
export type Failure = {
  readonly message: string;
  /** Whether the credential is refused: signing in anew is the remedy. */
  readonly signedOut: boolean;
  /** Name of the refusal, as in the error table: "unauthenticated". */
  readonly code: string;
};

/** What was thrown, in words. The gateway's own messages name the field and the remedy. */
export function toFailure(thrown: unknown): Failure {
  const error = ConnectError.from(thrown);
  const unreachable = error.code === Code.Unknown;
  return {
    message: unreachable
      ? "The gateway does not answer. Is it running, and can this machine reach it?"
      : error.rawMessage,
    signedOut: error.code === Code.Unauthenticated,
    code: nameOf(error.code),
  };
}

/** Name of a Connect code as its protocol spells it: "failed_precondition". */
function nameOf(code: Code): string {
  return (Code[code] ?? "Unknown").replace(/(?<!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
