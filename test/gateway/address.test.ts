import { describe, expect, it } from "vitest";
import { guardAddress, readAddress, toNetwork } from "../../src/gateway/address.ts";
import { unauthenticated } from "../../src/keys/unauthenticated.ts";
import { Attempts } from "../../src/platform/attempts.ts";
import { invalidRequest, OptamilError } from "../../src/platform/errors.ts";

describe("the network of an address", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::6", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["", ""],
  ])("of %s is %s", (address, network) => {
    expect(toNetwork(address)).toBe(network);
  });
});

describe("the guard of addresses", () => {
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs };
  const failures = new Attempts({ perMinuteMax: 2, clock });
  const bad = unauthenticated("bad");

  it("answers the first bad credentials of a minute as they are, then with 429", () => {
    expect(guardAddress("10.0.0.1", bad, failures)).toBe(bad);
    expect(guardAddress("10.0.0.1", bad, failures)).toBe(bad);
    expect(guardAddress("10.0.0.1", bad, failures)).toMatchObject({
      code: "rate_limit_exceeded",
      retryAfterMs: 60_000,
    });
    expect(guardAddress("10.0.0.2", bad, failures)).toBe(bad);
    clock.nowMs += 60_000;
    expect(guardAddress("10.0.0.1", bad, failures)).toBe(bad);
  });

  it.each([
    ["a bad request", invalidRequest("no")],
    ["a good key that lacks a scope", new OptamilError("permission_denied", "no")],
    ["a gateway that knows no key yet", new OptamilError("service_unavailable", "no")],
    ["a defect", new Error("no")],
  ])("counts nothing but bad credentials, so not %s", (name, other) => {
    for (let count = 0; count < 5; count += 1) {
      expect(guardAddress(name, other, failures)).toBe(other);
    }
    for (let count = 0; count < 2; count += 1) {
      expect(guardAddress(name, bad, failures)).toBe(bad);
    }
    expect(guardAddress(name, bad, failures)).toMatchObject({ code: "rate_limit_exceeded" });
  });
});

it("a request whose socket says nothing comes from nowhere", () => {
  expect(readAddress({ socket: { remoteAddress: undefined } as never })).toBe("");
});
