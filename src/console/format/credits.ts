// Money and numbers as people read them.

const microPerCredit = 1_000_000n;

/** Micro-credits as credits, exact, with a comma each three digits: "1,234.5". */
export function toCreditsText(micro: bigint): string {
  const sign = micro < 0n ? "-" : "";
  const size = micro < 0n ? -micro : micro;
  const whole = (size / microPerCredit).toLocaleString("en");
  const rest = (size % microPerCredit).toString().padStart(6, "0").replace(/0+$/, "");
  return rest === "" ? `${sign}${whole}` : `${sign}${whole}.${rest}`;
}

/** Credits that a person typed, as micro-credits; undefined if that is no amount with up to six decimals. */
export function readCredits(text: string): bigint | undefined {
  const match = /^(\d{1,10})(?:\.(\d{1,6}))?$/.exec(text.trim().replaceAll(",", ""));
  if (match === null) return undefined;
  const [, whole = "0", decimals = ""] = match;
  return BigInt(whole) * microPerCredit + BigInt(decimals.padEnd(6, "0"));
}

/** The share of one amount in another, 0 to 1; 0 where there is nothing to share. */
export function shareOf(part: bigint, whole: bigint): number {
  return whole <= 0n ? 0 : Number((part * 1_000_000n) / whole) / 1_000_000;
}

/** A share as per cent: "12.3 %". */
export function toPercent(share: number): string {
  const value = share * 100;
  const digits = value === 0 || Math.abs(value) >= 99.95 || Number.isInteger(value) ? 0 : 1;
  return `${value.toFixed(digits)} %`;
}

/** A count with a comma each three digits. */
export function toCount(count: number | bigint): string {
  return count.toLocaleString("en");
}

/** US$ per token, an exact decimal, as US$ per million tokens: "$0.15". */
export function toMillionPrice(perToken: string | undefined): string {
  if (perToken === undefined) return "–";
  const price = Number(perToken) * 1_000_000;
  return `$${price.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 })}`;
}

/** Tokens in short: "128k", "1M". */
export function toShortCount(count: number): string {
  if (count >= 1_000_000) return `${Number((count / 1_000_000).toFixed(2))}M`;
  if (count >= 1_000) return `${Number((count / 1_000).toFixed(1))}k`;
  return String(count);
}
