import { describe, expect, it } from "vitest";
import { Metrics } from "../../src/platform/metrics.ts";
import {
  acceptsOpenMetrics,
  toOpenMetricsText,
  toPrometheusText,
} from "../../src/platform/prometheus.ts";

const text = (metrics: Metrics) => toPrometheusText(metrics.collect());

describe("Prometheus' text", () => {
  it("names a counter with _total, and escapes what labels and help may hold", () => {
    const metrics = new Metrics();
    const counter = metrics.counter({
      name: "a.b",
      unit: "{request}",
      description: "Back\\slash\nand line",
      attributes: ["error.type"],
    });
    counter.add(['say "no"\n\\']);
    counter.add(['say "no"\n\\'], 2.5);
    counter.add([""]);
    expect(text(metrics)).toBe(
      [
        "# HELP a_b_total Back\\\\slash\\nand line",
        "# TYPE a_b_total counter",
        'a_b_total{error_type="say \\"no\\"\\n\\\\"} 3.5',
        "a_b_total 1",
        "",
      ].join("\n"),
    );
  });

  it("adds up a histogram's buckets; a value on a bound is below it", () => {
    const metrics = new Metrics();
    const histogram = metrics.histogram({ name: "h", unit: "s", description: "H." }, [0.5, 1]);
    for (const value of [0.5, 0.75, 4]) histogram.record([], value);
    expect(text(metrics)).toBe(
      [
        "# HELP h_seconds H.",
        "# TYPE h_seconds histogram",
        'h_seconds_bucket{le="0.5"} 1',
        'h_seconds_bucket{le="1"} 2',
        'h_seconds_bucket{le="+Inf"} 3',
        "h_seconds_sum 5.25",
        "h_seconds_count 3",
        "",
      ].join("\n"),
    );
  });

  it("is OpenMetrics with the exemplars of traces for who asks for it, and has none else", () => {
    const metrics = new Metrics();
    const histogram = metrics.histogram({ name: "h", unit: "s", description: 'A "b".' }, [0.5, 1]);
    const [traceId, spanId] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
    histogram.record([], 0.75, { traceId: "0".repeat(32), spanId });
    histogram.record([], 0.625, { traceId, spanId });
    histogram.record([], 0.875);
    metrics.counter({ name: "c", unit: "{request}", description: "C." }).add([]);
    expect(toOpenMetricsText(metrics.collect())).toBe(
      [
        '# HELP h_seconds A \\"b\\".',
        "# TYPE h_seconds histogram",
        'h_seconds_bucket{le="0.5"} 0',
        `h_seconds_bucket{le="1"} 3 # {trace_id="${traceId}",span_id="${spanId}"} 0.625`,
        'h_seconds_bucket{le="+Inf"} 3',
        "h_seconds_sum 2.25",
        "h_seconds_count 3",
        "# HELP c C.",
        "# TYPE c counter",
        "c_total 1",
        "# EOF",
        "",
      ].join("\n"),
    );
    expect(text(metrics)).not.toContain("trace_id");
  });

  it.each([
    ["application/openmetrics-text", true],
    ["application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3", true],
    ["text/plain;q=0.3, application/openmetrics-text; version=1.0.0", true],
    ["application/openmetrics-text;q=0, text/plain", false],
    ["text/plain;version=0.0.4", false],
    ["*/*", false],
    [undefined, false],
  ])("is OpenMetrics for Accept: %s: %s", (accept, isOpen) => {
    expect(acceptsOpenMetrics(accept)).toBe(isOpen);
  });

  it("asks a gauge each time, with the unit's word in its name once", () => {
    const metrics = new Metrics();
    let value = 1;
    metrics.gauge({ name: "x.fill", unit: "1", description: "F." }, () => [{ value }]);
    metrics.gauge({ name: "y_bytes", unit: "By", description: "B." }, () => []);
    value = 0.5;
    expect(text(metrics)).toContain("\nx_fill_ratio 0.5\n");
    expect(text(metrics)).toContain("# TYPE y_bytes gauge\n");
  });

  it("counts what comes beyond 2,000 series of an instrument as other", () => {
    const metrics = new Metrics();
    const counter = metrics.counter({ name: "c", unit: "1", description: "C.", attributes: ["l"] });
    for (let at = 0; at < 2_010; at++) counter.add([`${at}`]);
    expect(text(metrics)).toContain('\nc_total{l="other"} 10\n');
    expect(metrics.collect()[0]?.series).toHaveLength(2_001);
  });
});
