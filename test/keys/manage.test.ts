import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Directory } from "../../src/directory/directory.ts";
import { CreateKeyRequestSchema, KeyLimitsSchema } from "../../src/gen/optamil/v1/keys_pb.ts";
import { createIssuer } from "../../src/keys/issue.ts";
import { type Actor, createKeyManager, type KeyManager } from "../../src/keys/manage.ts";
import { scopes } from "../../src/keys/scopes.ts";
import { createVerifier, type Verifier } from "../../src/keys/verify.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";
import { createLmdbHome } from "../directory/lmdb-home.ts";
import { accountId, createKeyRing } from "./key-ring.ts";

const strangerId = "0190b2c4-0000-7000-8000-000000000002";
const owner: Actor = { accountId, name: "cli", scopes };
const stranger: Actor = { ...owner, accountId: strangerId };
const refused = expect.objectContaining({ code: "unauthenticated" });

let directory: Directory;
let manager: KeyManager;
let verifier: Verifier;
let clock: { nowMs: number; wallMs(): number; monotonicMs(): number };
let close: () => Promise<void>;

beforeEach(async () => {
  const ring = await createKeyRing();
  clock = ring.clock;
  const home = await createLmdbHome();
  directory = await home.open(clock);
  for (const id of [accountId, strangerId]) {
    const value = { accountId: id, name: "Ada", plan: "pro" };
    await directory.append(
      { case: "accountCreated", value },
      { actor: "test", expectedVersion: 0n },
    );
  }
  const uuids = createUuidSource(clock);
  const issuer = createIssuer({ signingKeys: ring.signingKeys, clock, uuids });
  manager = createKeyManager({ store: directory, issuer, clock });
  verifier = createVerifier({ jwks: ring.signingKeys, registry: directory, clock });
  close = async () => {
    await directory.close();
    await home.remove();
  };
});
afterEach(() => close());

function make(request: MessageInitShape<typeof CreateKeyRequestSchema> = {}, actor = owner) {
  return manager.create(create(CreateKeyRequestSchema, { name: "laptop", ...request }), actor);
}

describe("a key with tiers and limits", () => {
  it("tells its caller's tiers and limits, which stand in the directory and not in the token", async () => {
    const limits = create(KeyLimitsSchema, { requestsPerMinute: 3, concurrentRequests: 1 });
    const { key, info } = await make({ tiers: ["free", "mid"], limits });
    expect(info).toMatchObject({ tiers: ["free", "mid"], limits });
    expect(verifier.verify(key)).toMatchObject({ tiers: ["free", "mid"], limits });
    expect(key.length).toBe((await make()).key.length);
  });

  it("has neither when it was asked for without", async () => {
    const { key } = await make();
    expect(verifier.verify(key)).not.toHaveProperty("tiers");
    expect(verifier.verify(key)).not.toHaveProperty("limits");
  });
});

describe("a key that makes keys", () => {
  it.each<[string, Partial<Actor>, MessageInitShape<typeof CreateKeyRequestSchema>, string]>([
    ["scopes that it lacks", { scopes: ["keys:write"] }, { scopes: ["admin"] }, "scopes"],
    ["the default scopes when it lacks them", { scopes: ["keys:write"] }, {}, "scopes"],
    ["models that it may not ask for", { models: ["auto"] }, { models: ["gpt-5"] }, "models"],
    ["all models when it may not ask for all", { models: ["auto"] }, {}, "models"],
    ["tiers that it may not ask for", { tiers: ["free"] }, { tiers: ["ultra"] }, "tiers"],
    ["all tiers when it may not ask for all", { tiers: ["free"] }, {}, "tiers"],
    ["anything when it has limits of its own", { limited: true }, {}, "limits"],
  ])("cannot give %s", async (_name, actor, request, param) => {
    const made = make(request, { ...owner, ...actor });
    await expect(made).rejects.toMatchObject({ code: "permission_denied", param });
    expect(manager.list(owner)).toEqual([]);
  });

  it("can give a part of what it has", async () => {
    const actor = { ...owner, models: ["auto", "gpt-5"], tiers: ["free", "mid"] };
    const { info } = await make({ models: ["auto"], tiers: ["free"] }, actor);
    expect(info).toMatchObject({ models: ["auto"], tiers: ["free"] });
  });
});

describe("a rotation", () => {
  it("makes a key like the old one, which works until the overlap ends and not a moment longer", async () => {
    const limits = create(KeyLimitsSchema, { requestsPerMinute: 3 });
    const asked = { scopes: ["chat"], models: ["auto"], tiers: ["free"], limits };
    const old = await make({ ...asked, parameterPolicy: "reject", quality: 0 });
    const rotated = await manager.rotate(old.info.id, 60, owner);
    expect(verifier.verify(rotated.key)).toMatchObject({ parameterPolicy: "reject", quality: 0 });
    const { id: _oldId, lastFour: _oldFour, ...same } = old.info;
    expect(rotated.info).toMatchObject(same);
    expect(rotated.info.id).not.toBe(old.info.id);
    expect(rotated.previous).toMatchObject({
      id: old.info.id,
      revokedAt: BigInt(clock.nowMs / 1_000 + 60),
    });
    clock.nowMs += 59_999;
    expect(verifier.verify(old.key).keyId).toBe(old.info.id);
    expect(verifier.verify(rotated.key).keyId).toBe(rotated.info.id);
    clock.nowMs += 1;
    expect(() => verifier.verify(old.key)).toThrow(refused);
    expect(verifier.verify(rotated.key).keyId).toBe(rotated.info.id);
  });

  it("overlaps for a day by default, and not at all when asked for 0 seconds", async () => {
    const [one, other] = [await make(), await make()];
    await manager.rotate(one.info.id, undefined, owner);
    await manager.rotate(other.info.id, 0, owner);
    expect(() => verifier.verify(other.key)).toThrow(refused);
    clock.nowMs += 86_399_999;
    expect(verifier.verify(one.key)).toBeDefined();
    clock.nowMs += 1;
    expect(() => verifier.verify(one.key)).toThrow(refused);
  });

  it("gives the new key as long a life as the old one was given", async () => {
    const { info } = await make({ expiresAt: BigInt(clock.nowMs / 1_000 + 1_000) });
    clock.nowMs += 400_000;
    const rotated = await manager.rotate(info.id, 0, owner);
    expect(rotated.info.expiresAt).toBe(BigInt(clock.nowMs / 1_000 + 1_000));
  });

  it("of a key that leaks in the overlap does not keep it: a revocation ends it at once", async () => {
    const { key, info } = await make();
    await manager.rotate(info.id, 3_600, owner);
    await manager.revoke(info.id, "leaked", owner);
    expect(() => verifier.verify(key)).toThrow(refused);
    expect(directory.key(info.id)).toMatchObject({ revokeReason: "leaked" });
  });

  it("is refused for a key that has ended, expired or was rotated before", async () => {
    const [revoked, rotated] = [await make(), await make()];
    const expired = await make({ expiresAt: BigInt(clock.nowMs / 1_000 + 5) });
    await manager.revoke(revoked.info.id, "unused", owner);
    await manager.rotate(rotated.info.id, 60, owner);
    clock.nowMs += 5_000;
    for (const { info } of [revoked, rotated, expired]) {
      const again = manager.rotate(info.id, 60, owner);
      await expect(again).rejects.toMatchObject({ code: "invalid_request", param: "key_id" });
    }
  });

  it("is not found for a key of another account", async () => {
    const { info } = await make();
    const rotated = manager.rotate(info.id, 60, stranger);
    await expect(rotated).rejects.toMatchObject({ code: "not_found" });
    expect(manager.list(stranger)).toEqual([]);
  });

  it("can be of the key itself, limits and all, but a limited key rotates no other", async () => {
    const limits = create(KeyLimitsSchema, { requestsPerMinute: 3 });
    const { info } = await make({ limits });
    const other = await make();
    const limited = { ...owner, name: info.id, limited: true };
    await expect(manager.rotate(other.info.id, 0, limited)).rejects.toMatchObject({
      code: "permission_denied",
    });
    expect((await manager.rotate(info.id, 0, limited)).info).toMatchObject({ limits });
  });

  it("of two at once lets one win, and leaves no key behind that nobody was shown", async () => {
    const { info } = await make();
    const both = await Promise.allSettled([
      manager.rotate(info.id, 60, owner),
      manager.rotate(info.id, 60, owner),
    ]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    const working = manager.list(owner).filter(({ revokedAt }) => revokedAt === undefined);
    expect(working).toHaveLength(1);
  });
});

describe("a list of keys", () => {
  it("shows of each secret the last four characters and nothing else", async () => {
    const { key } = await make();
    const [shown] = manager.list(owner);
    expect(shown?.lastFour).toBe(key.slice(-4));
    const text = JSON.stringify(shown, (_, value) => (typeof value === "bigint" ? "" : value));
    expect(text).not.toContain(key.slice(-8));
  });
});
