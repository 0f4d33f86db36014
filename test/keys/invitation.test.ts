import { beforeAll, describe, expect, it } from "vitest";
import { createInvitations } from "../../src/keys/invitation.ts";
import { createKeyRing, forge, type KeyRing, privateKeyOf } from "./key-ring.ts";

const invited = { email: "ada@example.org", plan: "pro", expiresAt: 1_780_000_100 };
const refused = expect.objectContaining({ code: "permission_denied", param: "invitation" });
let ring: KeyRing;

beforeAll(async () => {
  ring = await createKeyRing();
});

const open = (of = ring) => createInvitations(of.signingKeys, ring.clock);

describe("an invitation", () => {
  it("says whom it invites on which plan, until it ends", async () => {
    const text = await open().issue(invited);
    expect(text).toMatch(/^inv-optamil-[\w-]+\.[\w-]+\.[\w-]{86}$/);
    expect(open().read(text)).toEqual(invited);
    ring.clock.nowMs += 100_000;
    expect(() => open().read(text)).toThrow(refused);
    ring.clock.nowMs -= 100_000;
  });

  it("is refused when another gateway signed it, and when it is a key", async () => {
    const foreign = await open(await createKeyRing()).issue(invited);
    const { key } = await ring.issue();
    for (const text of [foreign, key, key.replace("sk-", "inv-"), "", "inv-optamil-", "x"]) {
      expect(() => open().read(text)).toThrow(refused);
    }
  });

  it("is refused with one character changed or padding added", async () => {
    const text = await open().issue(invited);
    for (const other of [`${text}=`, text.replace(".", ".A"), text.slice(0, -1)]) {
      expect(() => open().read(other)).toThrow(refused);
    }
  });

  it.each([
    ["another issuer", { iss: "other" }],
    ["another audience", { aud: "api" }],
    ["no end", { exp: undefined }],
    ["no address", { email: undefined }],
    ["a plan that is no text", { plan: 1 }],
  ])("is refused with %s, though our own key signed it", (_name, change) => {
    const claims = { iss: "optamil", aud: "invitation", exp: 1_780_000_100, ...invited, ...change };
    const { email, plan, exp, iss, aud } = claims;
    const payload = JSON.stringify({ iss, aud, exp, email, plan });
    const header = JSON.stringify({ alg: "EdDSA", kid: ring.jwk.kid });
    const text = forge(header, payload, privateKeyOf(ring.jwk)).replace("sk-", "inv-");
    expect(() => open().read(text)).toThrow(refused);
  });

  it("is no key: the verifier refuses it under a key's prefix", async () => {
    const text = (await open().issue(invited)).replace("inv-", "sk-");
    expect(() => ring.verifier.verify(text)).toThrow(
      expect.objectContaining({ code: "unauthenticated" }),
    );
  });
});
