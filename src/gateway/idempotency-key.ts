// Reads the key by which a client marks repeats of one request: the same from every door.
import { invalidRequest } from "../platform/errors.ts";

const keyPattern = /^[\x20-\x7e]{1,255}$/;

/** The request's `Idempotency-Key`, if it has one. Throws `invalid_request` for one that cannot be a key. */
export function readIdempotencyKey(
  header: (name: string) => string | undefined,
): string | undefined {
  const key = header("idempotency-key");
  if (key === undefined || keyPattern.test(key)) return key;
  throw invalidRequest(
    "Invalid header 'Idempotency-Key': it must have 1 to 255 characters of printable ASCII.",
  );
}
