import { describe, expect, it } from "vitest";
import { readCredential } from "../../src/keys/credential.ts";

function read(headers: Record<string, string>): string {
  return readCredential((name) => headers[name]);
}

describe("the credential of a request", () => {
  it.each([
    ["Authorization: Bearer", { authorization: "Bearer sk-optamil-a.b.c" }],
    ["bearer in any letter case", { authorization: "bEARER sk-optamil-a.b.c" }],
    ["several blanks after the scheme", { authorization: "Bearer   sk-optamil-a.b.c" }],
    ["X-API-Key", { "x-api-key": "sk-optamil-a.b.c" }],
    [
      "both, when they agree",
      { authorization: "Bearer sk-optamil-a.b.c", "x-api-key": "sk-optamil-a.b.c" },
    ],
  ])("is read from %s", (_, headers) => {
    expect(read(headers)).toBe("sk-optamil-a.b.c");
  });

  it.each([
    ["there is none", {}],
    ["the two headers differ", { authorization: "Bearer a", "x-api-key": "b" }],
    ["one of the two is empty", { authorization: "Bearer a", "x-api-key": "" }],
    ["the scheme is Basic", { authorization: "Basic YTpi" }],
    ["the scheme is Basic beside a key", { authorization: "Basic YTpi", "x-api-key": "a" }],
    ["the scheme stands alone", { authorization: "Bearer" }],
    ["nothing follows the scheme", { authorization: "Bearer " }],
    ["the scheme is missing", { authorization: "sk-optamil-a.b.c" }],
    ["two credentials follow the scheme", { authorization: "Bearer a b" }],
    ["two headers were joined", { authorization: "Bearer a, Bearer b" }],
  ])("is refused with unauthenticated when %s", (_, headers) => {
    expect(() => read(headers)).toThrow(expect.objectContaining({ code: "unauthenticated" }));
  });
});
