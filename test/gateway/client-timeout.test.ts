import { describe, expect, it } from "vitest";
import { readClientTimeoutMs } from "../../src/gateway/client-timeout.ts";

const read = (headers: Record<string, string>) => readClientTimeoutMs((name) => headers[name]);

describe("how long a client waits", () => {
  it.each([
    [{ "x-stainless-timeout": "600" }, 600_000],
    [{ "x-stainless-timeout": "0.5" }, 500],
    [{ "x-stainless-timeout": "0.000001" }, 1],
    [{ "x-stainless-read-timeout": "20.0" }, 20_000],
    [{ "x-stainless-read-timeout": "20", "x-stainless-timeout": "10" }, 10_000],
  ])("is in %j, %i ms", (headers, timeoutMs) => {
    expect(read(headers)).toBe(timeoutMs);
  });

  it.each(["", "0", "-1", "soon", "NaN", "1e3", "Infinity", "99999999"])(
    "is not known from '%s'",
    (text) => {
      expect(read({ "x-stainless-timeout": text })).toBeUndefined();
    },
  );
});
