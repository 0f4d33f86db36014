// Shows metrics as Prometheus reads them (text format 0.0.4, or OpenMetrics 1.0), under the names that OpenTelemetry derives.
import type { Distribution, Exemplar, Family, Values } from "./metrics.ts";

/** Content type of the text. */
export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

/** Content type of what has exemplars too. */
export const openMetricsContentType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** All families as text. */
export function toPrometheusText(families: readonly Family[]): string {
  return families.map((family) => toLines(family, false)).join("");
}

/** All families as OpenMetrics has them: with exemplars, which lead from a bucket to a trace. */
export function toOpenMetricsText(families: readonly Family[]): string {
  return `${families.map((family) => toLines(family, true)).join("")}# EOF\n`;
}

/** Whether who sends such an `Accept` reads OpenMetrics. */
export function acceptsOpenMetrics(accept: string | undefined): boolean {
  return /(^|,)\s*application\/openmetrics-text\s*(;(?!\s*q=0(\.0*)?\s*(,|$))|,|$)/.test(
    accept ?? "",
  );
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

function toLines(family: Family, isOpen: boolean): string {
  const name = prometheusName(family);
  // OpenMetrics names a counter's family without what its samples end with.
  const familyName = isOpen && family.kind === "counter" ? name.replace(/_total$/, "") : name;
  const help = family.description.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
  const names = (family.attributes ?? []).map((attribute) =>
    attribute.replace(/[^A-Za-z0-9_]/g, "_"),
  );
  const lines = [
    `# HELP ${familyName} ${isOpen ? help.replace(/"/g, '\\"') : help}`,
    `# TYPE ${familyName} ${family.kind}`,
  ];
  for (const series of family.series) {
    const labels = toLabels(names, series.values);
    if ("value" in series) lines.push(`${name}${braces(labels)} ${series.value}`);
    else lines.push(...toHistogramLines(name, labels, family.bounds, series.distribution, isOpen));
  }
  return `${lines.join("\n")}\n`;
}

function toHistogramLines(
  name: string,
  labels: readonly string[],
  bounds: readonly number[],
  { count, sum, buckets, exemplars }: Distribution,
  isOpen: boolean,
): string[] {
  let below = 0;
  const bucketLines = [...bounds.map(String), "+Inf"].map((bound, at) => {
    below += buckets[at] ?? 0;
    const exemplar = isOpen ? toExemplarText(exemplars[at]) : "";
    return `${name}_bucket${braces([...labels, `le="${bound}"`])} ${below}${exemplar}`;
  });
  const own = braces(labels);
  return [...bucketLines, `${name}_sum${own} ${sum}`, `${name}_count${own} ${count}`];
}

function toExemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return "";
  const { traceId, spanId, value } = exemplar;
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${value}`;
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
