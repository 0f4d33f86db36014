// Reads what a client calls the work that a request belongs to: the same from every door.
import { tagPattern } from "../directory/budgets.ts";
import { invalidRequest } from "../platform/errors.ts";

/** The request's `X-Optamil-Tag`, 1 to 64 characters, if it has one. Throws `invalid_request` for anything else. */
export function readTag(header: (name: string) => string | undefined): string | undefined {
  const text = header("x-optamil-tag");
  if (text === undefined) return undefined;
  if (tagPattern.test(text)) return text;
  throw invalidRequest(
    "Invalid header 'X-Optamil-Tag': it must be 1 to 64 letters, digits, '.', '_', ':' or '-', and begin with a letter or digit.",
  );
}
