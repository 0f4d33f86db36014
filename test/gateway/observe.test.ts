import fc from "fast-check";
import { expect, it } from "vitest";
import { type ExchangeEnd, Trail } from "../../src/chat/trail.ts";
import { createObserver } from "../../src/gateway/observe.ts";
import type { Log } from "../../src/platform/log.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { sampleEvent } from "../usage/sample-events.ts";

/** What the log has of one request. */
function lineOf(trail: Trail, end: Partial<ExchangeEnd> = {}): string {
  const lines: string[] = [];
  const log: Pick<Log, "infoText"> = {
    infoText: (fields, message) => lines.push(`{"level":30${fields()},"msg":"${message}"}`),
  };
  const observe = createObserver({
    log: log as Log,
    metrics: { note: () => {} },
    clock: new ManualClock(),
  });
  observe(trail, {
    ...{ method: "POST", path: "/v1/chat/completions", status: 200, complete: true },
    ...{ durationMs: 12.3456, ...end },
  });
  expect(lines).toHaveLength(1);
  return lines[0] ?? "";
}

it("tells of an answered request in one line of the fields that operators search for", () => {
  const trail = new Trail("rest", "req-1", 0);
  trail.attempted({
    ...{ model: "deepseek-chat", provider: "deepseek", startedAtMs: 1, latencyMs: 9 },
    errorClass: undefined,
  });
  const event = sampleEvent();
  trail.ended(event);
  expect(JSON.parse(lineOf(trail))).toEqual({
    level: 30,
    request_id: "req-1",
    door: "rest",
    method: "POST",
    path: "/v1/chat/completions",
    status: 200,
    complete: true,
    duration_ms: 12.35,
    attempts: 1,
    requested_model: event.requestedModel,
    stream: event.stream,
    outcome: "stream_ok",
    model: event.servedModel,
    provider: event.provider,
    tier: "budget",
    prompt_tokens: Number(event.promptTokens),
    completion_tokens: Number(event.completionTokens),
    credits: 1,
    ttft_ms: event.ttftMs,
    msg: "request",
  });
});

it("leaves out what is not known of a refused request", () => {
  const trail = new Trail("grpc", "req-2", 0);
  trail.refused("authentication_error");
  expect(JSON.parse(lineOf(trail, { status: 401 }))).toEqual({
    ...{ level: 30, request_id: "req-2", door: "grpc", method: "POST", status: 401 },
    ...{ path: "/v1/chat/completions", complete: true, duration_ms: 12.35 },
    ...{ error_type: "authentication_error", msg: "request" },
  });
});

it("is one line of JSON whatever clients put into a path, an id or a model's name", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (hostile) => {
      const trail = new Trail("rest", hostile, 0);
      trail.ended({ ...sampleEvent(), requestedModel: hostile });
      const line = lineOf(trail, { path: hostile, method: hostile });
      expect(line).not.toMatch(/[\n\r]/);
      const { request_id, path, method, requested_model } = JSON.parse(line);
      expect({ request_id, path, method, requested_model }).toEqual({
        ...{ request_id: hostile, path: hostile, method: hostile, requested_model: hostile },
      });
    }),
  );
});
