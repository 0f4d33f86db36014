import { describe, expect, it } from "vitest";
import { readTag } from "../../src/gateway/tag-header.ts";

const read = (text?: string) => readTag((name) => (name === "x-optamil-tag" ? text : undefined));

describe("the header X-Optamil-Tag", () => {
  it("may be absent", () => {
    expect(read()).toBeUndefined();
  });

  it.each(["a", "team-a", "Team.7", "cost:2026_q4", "0", "x".repeat(64)])("may say '%s'", (tag) => {
    expect(read(tag)).toBe(tag);
  });

  it.each(["", " ", "-a", ".a", "a b", "a,b", "team/a", "é", "<b>", "a\n", "x".repeat(65)])(
    "may not say %j",
    (text) => {
      expect(() => read(text)).toThrow(
        expect.objectContaining({
          code: "invalid_request",
          message: expect.stringContaining("1 to 64 letters, digits"),
        }),
      );
    },
  );
});
