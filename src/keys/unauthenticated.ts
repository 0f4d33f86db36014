// The one refusal of every credential that is no good: it does not say why, so nobody can probe.
import { OptamilError } from "../platform/errors.ts";

const message =
  'Invalid or missing API key. Send it as "Authorization: Bearer sk-optamil-..." or "X-API-Key: sk-optamil-...".';

/** The refusal; the reason is for the log and holds nothing of the credential. */
export function unauthenticated(reason: unknown): OptamilError {
  return new OptamilError("unauthenticated", message, { cause: reason });
}

/** The reason of a refusal that may soon be none: a key that has just been made elsewhere. */
export class NotKnownYet extends Error {
  /** Resolves when the key is known, or will not be: the credential is to be verified once more then. */
  readonly settled: () => Promise<void>;

  constructor(settled: () => Promise<void>) {
    super("not in the directory yet");
    this.settled = settled;
  }
}
