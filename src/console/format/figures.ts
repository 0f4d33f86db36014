// Figures of the usage as people read them.

/** 10^-9 US$ as an amount: "$0.0123". */
export function toDollars(nano: bigint): string {
  const dollars = Number(nano) / 1e9;
  const digits = Math.abs(dollars) >= 1 || dollars === 0 ? 2 : 4;
  return dollars.toLocaleString("en", {
    style: "currency",
    currency: "USD",
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

/** How a figure stands to the one before: "+12 %"; nothing where there was none. */
export function toChange(now: number, before: number | undefined): string {
  if (before === undefined || before === 0) return "";
  const percent = Math.round(((now - before) / before) * 100);
  return `${percent > 0 ? "+" : ""}${percent} %`;
}

/** A number in short, for an axis: "1.2k". */
export function toAxis(value: number): string {
  return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 2 });
}
