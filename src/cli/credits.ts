// Credits as people write them: decimals of micro-credits.
import { UsageError } from "./command.ts";

const decimals = 6;
/** What one grant may be: a billion credits. */
const wholeDigitsMax = 10;

/** Micro-credits of a text such as "12.5". Throws UsageError for what is no positive number of credits. */
export function parseCredits(text: string): bigint {
  const [, whole = "", fraction = ""] = /^(\d+)(?:\.(\d+))?$/.exec(text) ?? [];
  const micro = BigInt(`${whole}${fraction.padEnd(decimals, "0")}`);
  if (micro > 0n && whole.length <= wholeDigitsMax && fraction.length <= decimals) return micro;
  throw new UsageError(
    `credits are a number above 0 with up to ${decimals} decimals, such as 12.5`,
  );
}

/** Credits as a decimal number without superfluous zeros. */
export function formatCredits(micro: bigint): string {
  const digits = String(micro).padStart(decimals + 1, "0");
  const fraction = digits.slice(-decimals).replace(/0+$/, "");
  const whole = digits.slice(0, -decimals);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}
