// Shows metrics as Prometheus reads them (text format 0.0.4), under the names that OpenTelemetry derives.
import type { Distribution, Family, Values } from "./metrics.ts";

/** Content type of the text. */
export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/** All families as text. */
export function toPrometheusText(families: readonly Family[]): string {
  return families.map(toLines).join("");
}

const unitWords: Readonly<Record<string, string>> = {
  s: "seconds",
  ms: "milliseconds",
  By: "bytes",
};

/** The name of a family. Source: OpenTelemetry, "Prometheus and OpenMetrics Compatibility", metric metadata. */
function prometheusName({ name, unit, kind }: Pick<Family, "name" | "unit" | "kind">): string {
  const word = unit === "1" && kind === "gauge" ? "ratio" : unitWords[unit];
  const base = name.replace(/[^A-Za-z0-9_]/g, "_");
  const withUnit = word === undefined || base.endsWith(`_${word}`) ? base : `${base}_${word}`;
  return kind === "counter" ? `${withUnit}_total` : withUnit;
}

function toLines(family: Family): string {
  const name = prometheusName(family);
  const names = (family.attributes ?? []).map((attribute) =>
    attribute.replace(/[^A-Za-z0-9_]/g, "_"),
  );
  const lines = [
    `# HELP ${name} ${family.description.replace(/\\/g, "\\\\").replace(/\n/g, "\\n")}`,
    `# TYPE ${name} ${family.kind}`,
  ];
  for (const series of family.series) {
    const labels = toLabels(names, series.values);
    if ("value" in series) lines.push(`${name}${braces(labels)} ${series.value}`);
    else lines.push(...toHistogramLines(name, labels, family.bounds, series.distribution));
  }
  return `${lines.join("\n")}\n`;
}

function toHistogramLines(
  name: string,
  labels: readonly string[],
  bounds: readonly number[],
  { count, sum, buckets }: Distribution,
): string[] {
  let below = 0;
  const bucketLines = [...bounds.map(String), "+Inf"].map((bound, at) => {
    below += buckets[at] ?? 0;
    return `${name}_bucket${braces([...labels, `le="${bound}"`])} ${below}`;
  });
  const own = braces(labels);
  return [...bucketLines, `${name}_sum${own} ${sum}`, `${name}_count${own} ${count}`];
}

/** An empty label is none: so Prometheus has it. */
function toLabels(names: readonly string[], values: Values): string[] {
  return names.flatMap((name, at) => {
    const value = values[at] ?? "";
    return value === "" ? [] : [`${name}="${escapeValue(value)}"`];
  });
}

function braces(labels: readonly string[]): string {
  return labels.length === 0 ? "" : `{${labels.join(",")}}`;
}

function escapeValue(value: string): string {
  return value.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n");
}
