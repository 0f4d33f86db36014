import { describe, expect, it } from "vitest";
import {
  isOwnOrigin,
  readSessionCookie,
  toSessionCookie,
} from "../../src/gateway/session-cookie.ts";

describe("the cookie of a session", () => {
  it("is for the gateway's own pages only, and out of scripts' reach", () => {
    expect(toSessionCookie("abc", 60, false)).toBe(
      "optamil_session=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Strict",
    );
    expect(toSessionCookie("abc", 60, true)).toMatch(/; Secure$/);
  });

  it.each([
    [undefined, undefined],
    ["", undefined],
    ["other=1", undefined],
    ["optamil_session", undefined],
    ["x_optamil_session=1", undefined],
    ["optamil_session=abc", "abc"],
    ["theme=dark; optamil_session=abc;other=1", "abc"],
    ["optamil_session=first; optamil_session=second", "first"],
  ])("is read from %s as %s", (cookies, token) => {
    expect(readSessionCookie(cookies)).toBe(token);
  });
});

describe("a request with a cookie", () => {
  const host = "llm.example.org:8080";
  it.each<[string, Record<string, string>, boolean]>([
    ["no page", { host }, true],
    ["its own page", { host, origin: `https://${host}`, "sec-fetch-site": "same-origin" }, true],
    ["its own page over HTTP/2", { ":authority": host, origin: `https://${host}` }, true],
    ["the address bar", { host, "sec-fetch-site": "none" }, true],
    [
      "another site",
      { host, origin: "https://evil.example", "sec-fetch-site": "cross-site" },
      false,
    ],
    ["another port", { host, origin: "https://llm.example.org:9090" }, false],
    ["a subdomain", { host, "sec-fetch-site": "same-site" }, false],
    ["a sandboxed frame", { host, origin: "null" }, false],
  ])("of %s is judged by its origin", (_name, headers, own) => {
    expect(isOwnOrigin({ headers })).toBe(own);
  });
});
