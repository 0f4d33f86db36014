import { describe, expect, it } from "vitest";
import { readIdempotencyKey } from "../../src/gateway/idempotency-key.ts";

const read = (key?: string) =>
  readIdempotencyKey((name) => (name === "idempotency-key" ? key : undefined));

describe("the header Idempotency-Key", () => {
  it("may be absent", () => {
    expect(read()).toBeUndefined();
  });

  it.each(["a", "8e03978e-40d5-43e8-bc93-6894a57f9324", '"a b"', "~".repeat(255)])(
    "may say '%s'",
    (key) => {
      expect(read(key)).toBe(key);
    },
  );

  it.each(["", "~".repeat(256), "schlüssel", "a\tb", "a\u007f"])("may not say '%s'", (key) => {
    expect(() => read(key)).toThrow(
      expect.objectContaining({
        code: "invalid_request",
        message: expect.stringContaining("'Idempotency-Key'"),
      }),
    );
  });
});
