import { once } from "node:events";
import { createServer } from "node:http";
import { afterAll, expect, it } from "vitest";
import { systemClock } from "../../src/platform/clock.ts";
import { Metrics } from "../../src/platform/metrics.ts";
import { openOtlpExporter } from "../../src/platform/otlp.ts";
import type { SpanRecord } from "../../src/platform/otlp-json.ts";
import { openOtlpCollector } from "../fakes/otlp-collector.ts";

const collector = await openOtlpCollector();
afterAll(collector.close);

const spanOf = (number: number, content: string): SpanRecord => ({
  traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
  spanId: String(number).padStart(16, "0"),
  parentSpanId: undefined,
  ...{ name: "chat auto", kind: "server", startMs: Date.now(), endMs: Date.now() },
  attributes: { "gen_ai.request.model": "auto" },
  content: { "optamil.content": content },
  error: undefined,
});

it("sends spans without their content while there is too much of it, and with it afterwards", async () => {
  const troubles: string[] = [];
  const exporter = openOtlpExporter({
    ...{ endpoint: collector.endpoint, headers: {}, resource: {}, metrics: new Metrics() },
    scope: { name: "optamil", version: "0" },
    ...{ clock: systemClock, metricsEveryMs: 60_000, spansEveryMs: 10 },
    onTrouble: (message) => troubles.push(message),
  });
  const content = "x".repeat(9_000_000);
  exporter.add(spanOf(1, content));
  exporter.add(spanOf(2, content));
  const lengths = () =>
    collector.spans.map(({ attributes }) => String(attributes["optamil.content"] ?? "").length);
  await expect.poll(lengths, { timeout: 20_000 }).toEqual([content.length, 0]);
  await expect
    .poll(
      async () => {
        exporter.add(spanOf(3, content));
        return Math.max(0, ...lengths().slice(2));
      },
      { timeout: 20_000 },
    )
    .toBe(content.length);
  await exporter.close();
  expect(troubles).toEqual([]);
  expect(collector.problems).toEqual([]);
});

it("drops and counts what a collector that does not answer leaves no room for", async () => {
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const address = silent.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const metrics = new Metrics();
  const exporter = openOtlpExporter({
    ...{ endpoint: `http://127.0.0.1:${port}`, headers: {}, resource: {}, metrics },
    scope: { name: "optamil", version: "0" },
    ...{ clock: systemClock, metricsEveryMs: 60_000, spansEveryMs: 60_000 },
    onTrouble: () => {},
  });
  for (let number = 0; number < 10_000; number += 1) exporter.add(spanOf(number, ""));
  const [dropped] = metrics.collect();
  expect(dropped?.series).toEqual([{ values: [], value: 10_000 - 4_096 }]);
  silent.closeAllConnections();
  silent.close();
  await exporter.close();
});
