// Reads whether and where traces and metrics are exported: the file, then OpenTelemetry's own variables over it.
import type { Config } from "../gen/optamil/config/v1/config_pb.ts";

/** Where traces and metrics go. */
export type TelemetrySettings = {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
  /** Part of the traces that begin here and are exported, 0 to 1. */
  readonly sampleShare: number;
  readonly metricsEveryMs: number;
  readonly spansEveryMs: number;
  /** Whether spans have prompts and answers of accounts that switched it on too. */
  readonly content: boolean;
};

type Variables = Readonly<Record<string, string | undefined>>;

/** The export of a configuration; undefined: neither the file nor the environment names a collector. */
export function readTelemetry(
  { telemetry }: Config,
  variables: Variables,
): TelemetrySettings | undefined {
  const endpoint = variables["OTEL_EXPORTER_OTLP_ENDPOINT"] || telemetry?.endpoint;
  if (!endpoint) return undefined;
  return {
    endpoint,
    headers: readHeaders(variables[telemetry?.headersEnv || "OTEL_EXPORTER_OTLP_HEADERS"] ?? ""),
    serviceName: variables["OTEL_SERVICE_NAME"] || telemetry?.serviceName || "optamil",
    sampleShare: telemetry?.sampleShare ?? 1,
    metricsEveryMs: telemetry?.metricsEveryMs ?? 60_000,
    spansEveryMs: telemetry?.spansEveryMs ?? 5_000,
    content: telemetry?.content ?? false,
  };
}

/** "name=value,name=value" with percent-encoded values: OpenTelemetry, "Protocol Exporter", headers. */
function readHeaders(text: string): Record<string, string> {
  const pairs = text.split(",").flatMap((pair) => {
    const mark = pair.indexOf("=");
    if (mark < 1) return [];
    return [[pair.slice(0, mark).trim(), decode(pair.slice(mark + 1).trim())]];
  });
  return Object.fromEntries(pairs);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
