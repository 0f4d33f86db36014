import { beforeEach, expect, it } from "vitest";
import { authorizeSoon } from "../../src/gateway/access.ts";
import type { RegisteredKey } from "../../src/keys/registry.ts";
import { createVerifier } from "../../src/keys/verify.ts";
import { Attempts } from "../../src/platform/attempts.ts";
import { createKeyRing, type KeyRing } from "./key-ring.ts";

/** Replicas hear of each other's keys a little later. */
const registryLagMs = 1_000;
let ring: KeyRing;
let known: Map<string, RegisteredKey>;
let failures: Attempts;

beforeEach(async () => {
  ring = await createKeyRing();
  known = new Map();
  failures = new Attempts({ perMinuteMax: 1, clock: ring.clock });
});

/** Asks a replica for the scope `chat` with a key; each look into its directory takes it so many milliseconds on. */
function ask(key: string, lookTakesMs = 0, onLook = () => {}) {
  const registry = {
    key: (keyId: string) => {
      ring.clock.nowMs += lookTakesMs;
      onLook();
      return known.get(keyId);
    },
  };
  const jwks = { publicKeys: () => ring.signingKeys.publicKeys() };
  const verifier = createVerifier({ jwks, registry, clock: ring.clock, registryLagMs });
  const header = (name: string) => (name === "authorization" ? `Bearer ${key}` : undefined);
  const claimant = { header, address: "192.0.2.1", ownOrigin: () => false };
  return authorizeSoon("chat", claimant, { verify: verifier.verify, failures });
}

const refused = expect.objectContaining({ code: "unauthenticated" });

it("a key that another replica has just made is waited for, and is no failed attempt meanwhile", async () => {
  const { key, jti } = await ring.issue();
  let looks = 0;
  const caller = await ask(key, 0, () => {
    looks += 1;
    if (looks === 3) known.set(jti, { accountId: ring.registered.get(jti)?.accountId ?? "" });
  });
  expect(caller).toMatchObject({ keyId: jti });
  expect(failures.waitMs("192.0.2.1")).toBe(0);
});

it("one that nobody has heard of in that time is refused, once", async () => {
  const { key } = await ring.issue();
  const startedMs = ring.clock.nowMs;
  await expect(ask(key, 100)).rejects.toThrow(refused);
  expect(ring.clock.nowMs - startedMs).toBeGreaterThanOrEqual(registryLagMs);
  expect(failures.waitMs("192.0.2.1")).toBeGreaterThan(0);
});

it("one that is ten seconds old is refused at once", async () => {
  const { key } = await ring.issue();
  ring.clock.nowMs += 10_000;
  expect(() => ask(key)).toThrow(refused);
});

it("one that is known is answered without a wait", async () => {
  const { key, jti } = await ring.issue();
  known.set(jti, { accountId: ring.registered.get(jti)?.accountId ?? "" });
  expect(ask(key)).toMatchObject({ keyId: jti });
});
