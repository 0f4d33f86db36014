// Reads the router's knob from a request's headers: the same from every door.
import { invalidRequest } from "../platform/errors.ts";

/** The request's `X-Optamil-Quality`, 0 to 1, if it has one. Throws `invalid_request` for anything else. */
export function readQuality(header: (name: string) => string | undefined): number | undefined {
  const text = header("x-optamil-quality");
  if (text === undefined) return undefined;
  if (/^(0(\.\d{1,9})?|1(\.0{1,9})?)$/.test(text)) return Number(text);
  throw invalidRequest("Invalid header 'X-Optamil-Quality': it must be a number from 0 to 1.");
}
