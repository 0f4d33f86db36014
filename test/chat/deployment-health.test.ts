import { beforeEach, describe, expect, it } from "vitest";
import { DeploymentHealth } from "../../src/chat/deployment-health.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import type { ProviderFailure } from "../../src/providers/provider.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { failure } from "../fakes/scripted-provider.ts";

const one = { model: "m", provider: "one", upstreamModel: "m-1", weight: 1, live: true };
const other = { ...one, provider: "other" };

let clock = new ManualClock();
let health = new DeploymentHealth({ clock });

beforeEach(() => {
  clock = new ManualClock();
  health = new DeploymentHealth({ clock });
});

function ask(how: ProviderFailure | undefined, tookMs = 100): void {
  health.began(one);
  health.ended(one, how, tookMs);
}

function fail(times: number): void {
  for (let count = 0; count < times; count += 1) ask(failure("http_5xx"));
}

function limited(retryAfterMs: number): ProviderFailure {
  const error = new OptamilError("service_unavailable", "limited", { retryAfterMs });
  return { ok: false, error, status: 429, errorClass: "http_429", tryNext: true };
}

describe("a deployment", () => {
  it("is asked on after four failures in a row, and left alone for 2 seconds after five", () => {
    fail(4);
    expect(health.waitMs(one)).toBe(0);
    fail(1);
    expect(health.waitMs(one)).toBe(2_000);
    clock.advance(1_500);
    expect(health.waitMs(one)).toBe(500);
    expect(health.waitMs(other)).toBe(0);
  });

  it("begins anew after an answer, and after a refusal that is the request's own fault", () => {
    fail(4);
    ask(undefined);
    fail(4);
    ask({ ...failure("http_400", false), status: 400 });
    fail(4);
    expect(health.waitMs(one)).toBe(0);
    expect(health.allWell).toBe(false);
    ask(undefined);
    expect(health.allWell).toBe(true);
  });

  it("is probed by one request after its rest, while others wait", () => {
    fail(5);
    clock.advance(2_000);
    expect(health.waitMs(one)).toBe(0);
    health.began(one);
    expect(health.waitMs(one)).toBe(1_000);
    health.ended(one, undefined, 100);
    expect(health.waitMs(one)).toBe(0);
    expect(health.allWell).toBe(true);
  });

  it("rests twice as long after each failed probe, a minute at most", () => {
    fail(5);
    const rests = [];
    for (let probe = 0; probe < 7; probe += 1) {
      clock.advance(health.waitMs(one));
      fail(1);
      rests.push(health.waitMs(one));
    }
    expect(rests).toEqual([4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
  });

  it("is free for the next probe when nobody has waited for the last one's answer", () => {
    fail(5);
    clock.advance(2_000);
    ask(failure("cancelled", false));
    expect(health.waitMs(one)).toBe(0);
    health.began(one);
    clock.advance(30_000);
    expect(health.waitMs(one)).toBe(0);
  });

  it("that answers 429 is left alone for as long as it asks, ten minutes at most", () => {
    ask(limited(7_000));
    expect(health.waitMs(one)).toBe(7_000);
    clock.advance(7_000);
    ask(limited(86_400_000));
    expect(health.waitMs(one)).toBe(600_000);
  });

  it("is not left alone for what its API cannot be asked, nor for a client's short deadline", () => {
    for (let count = 0; count < 9; count += 1) ask(failure("unsupported"));
    for (let count = 0; count < 9; count += 1) ask(failure("timeout"), 3_999);
    expect(health.waitMs(one)).toBe(0);
    for (let count = 0; count < 5; count += 1) ask(failure("timeout"), 4_000);
    expect(health.waitMs(one)).toBe(2_000);
  });

  it("is not left alone longer for what was under way when it failed", () => {
    fail(25);
    expect(health.waitMs(one)).toBe(2_000);
  });

  it("is reported with its state, its answers, the mean time of the last ones, and its last error", () => {
    expect(health.report(one)).toEqual({
      ...{ state: "unused", failures: 0, retryAfterMs: 0, answers: 0 },
      ...{ latencyMs: undefined, lastError: undefined },
    });
    ask(undefined, 100);
    ask(undefined, 180);
    expect(health.report(one)).toMatchObject({ state: "well", answers: 2, latencyMs: 110 });
    fail(4);
    clock.advance(3_000);
    expect(health.report(one)).toMatchObject({
      ...{ state: "failing", failures: 4, answers: 2, latencyMs: 110 },
      lastError: { errorClass: "http_5xx", agoMs: 3_000 },
    });
    fail(1);
    expect(health.report(one)).toMatchObject({
      state: "resting",
      failures: 5,
      retryAfterMs: 2_000,
    });
    ask({ ...failure("http_400", false), status: 400 });
    expect(health.report(one)).toMatchObject({
      ...{ state: "well", failures: 0 },
      lastError: { errorClass: "http_5xx" },
    });
    expect(health.report(other).state).toBe("unused");
  });
});
