import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { defaultScopes, scopes } from "../../src/keys/scopes.ts";
import { isUuid } from "../../src/platform/uuid.ts";
import { accountId, createKeyRing, decode, type KeyRing, segmentsOf } from "./key-ring.ts";

let ring: KeyRing;

beforeAll(async () => {
  ring = await createKeyRing();
});

describe("a new key", () => {
  it("is sk-optamil- and a JWT whose header has alg and kid and nothing else", async () => {
    const { key } = await ring.issue();
    expect(key).toMatch(/^sk-optamil-([A-Za-z0-9_-]+\.){2}[A-Za-z0-9_-]{86}$/);
    const [header] = segmentsOf(key);
    expect(decode(header)).toBe(`{"alg":"EdDSA","kid":"${ring.jwk.kid}"}`);
    expect(header).toHaveLength(36);
  });

  it("says who may do what, from when until when", async () => {
    const { key, jti } = await ring.issue({ scopes: ["chat", "models"], models: ["auto"] });
    expect(JSON.parse(decode(segmentsOf(key)[1]))).toEqual({
      iss: "optamil",
      aud: "api",
      sub: accountId,
      jti,
      iat: 1_780_000_000,
      exp: Date.UTC(2036, 4, 28, 20, 26, 40) / 1_000,
      plan: "pro",
      scope: "chat models",
      models: ["auto"],
    });
    expect(isUuid(jti)).toBe(true);
  });

  it("may chat, list models and read usage when it was asked for without scopes", async () => {
    const { key, change } = await ring.issue({ scopes: [] });
    expect(change.value.scopes).toEqual(defaultScopes);
    expect(ring.verifier.verify(key).scopes).toEqual(defaultScopes);
  });

  it("has about 400 characters, and every scope adds what it is long", async () => {
    expect((await ring.issue()).key.length).toBeLessThanOrEqual(410);
    expect((await ring.issue({ plan: "business", scopes })).key.length).toBeLessThanOrEqual(440);
  });

  it("comes with the record for the directory, which holds no more of it than four characters", async () => {
    const { key, jti, lastFour, expiresAt, change } = await ring.issue({ models: ["auto"] });
    expect(change).toMatchObject({
      case: "keyCreated",
      value: {
        keyId: jti,
        accountId,
        name: "laptop",
        lastFour: key.slice(-4),
        scopes: [...defaultScopes],
        models: ["auto"],
        expiresAt: BigInt(expiresAt),
      },
    });
    expect(lastFour).toBe(key.slice(-4));
  });

  it("works, whatever the plan and the models are called", () => {
    const names = fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 });
    return fc.assert(
      fc.asyncProperty(names, fc.array(names, { maxLength: 4 }), async (plan, models) => {
        const { key } = await ring.issue({ plan, models });
        const caller = ring.verifier.verify(key);
        expect([caller.plan, caller.models ?? []]).toEqual([plan, models]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("a key that cannot be", () => {
  it.each([
    ["has an unknown scope", { scopes: ["chat", "root"] }, "scopes"],
    ["has two scopes in one", { scopes: ["chat admin"] }, "scopes"],
    ["ends before it begins", { expiresAt: 1_780_000_000 }, "expires_at"],
    ["ends between two seconds", { expiresAt: 1_790_000_000.5 }, "expires_at"],
    ["would be longer than 1,024 characters", { models: ["m".repeat(700)] }, "models"],
  ])("is refused with invalid_request when it %s", async (_, request, param) => {
    await expect(ring.issue(request)).rejects.toMatchObject({ code: "invalid_request", param });
  });
});
