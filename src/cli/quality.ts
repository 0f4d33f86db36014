// The router's knob as people write it.
import { UsageError } from "./command.ts";

/** A quality of 0 to 1; throws UsageError for any other text. */
export function parseQuality(text: string): number {
  const quality = Number(text);
  if (/^(0|1|[01]?\.\d{1,6})$/.test(text) && quality <= 1) return quality;
  throw new UsageError("--quality takes a number from 0 (cheapest) to 1 (best), such as 0.7");
}
