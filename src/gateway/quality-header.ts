// Reads how good an answer of `auto` must be: the same from every door.
import { invalidRequest } from "../platform/errors.ts";

const qualityPattern = /^(0|1|0?\.\d{1,6}|1\.0{1,6})$/;

/** The request's `X-Optamil-Quality`, 0 to 1, if it has one. Throws `invalid_request` for anything else. */
export function readQuality(header: (name: string) => string | undefined): number | undefined {
  const text = header("x-optamil-quality");
  if (text === undefined) return undefined;
  if (qualityPattern.test(text)) return Number(text);
  throw invalidRequest(
    "Invalid header 'X-Optamil-Quality': it must be a number from 0 (cheapest) to 1 (best), such as 0.8.",
  );
}
