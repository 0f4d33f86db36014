// The one refusal of every credential that is no good: it does not say why, so nobody can probe.
import { OptamilError } from "../platform/errors.ts";

const message =
  'Invalid or missing API key. Send it as "Authorization: Bearer sk-optamil-..." or "X-API-Key: sk-optamil-...".';

/** The refusal; the reason is for the log and holds nothing of the credential. */
export function unauthenticated(reason: string): OptamilError {
  return new OptamilError("unauthenticated", message, { cause: reason });
}
