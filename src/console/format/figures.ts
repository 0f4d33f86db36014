// Figures of the usage as people read them.

/** 10^-9 US$ as an amount: "$12.34"; of small ones two digits that say something: "$0.000042". */
export function toDollars(nano: bigint): string {
  const dollars = Number(nano) / 1e9;
  const small = dollars !== 0 && Math.abs(dollars) < 0.1;
  return dollars.toLocaleString("en", {
    style: "currency",
    currency: "USD",
    ...(small ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: 2 }),
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
