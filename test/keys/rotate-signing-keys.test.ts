import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createIssuer } from "../../src/keys/issue.ts";
import { followSigningKeys, rotateSigningKeys } from "../../src/keys/rotate-signing-keys.ts";
import { createVerifier } from "../../src/keys/verify.ts";
import { createUuidSource } from "../../src/platform/uuid.ts";
import { accountId } from "./key-ring.ts";

const clock = { wallMs: () => 1_780_000_000_000, monotonicMs: () => 0 };
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "optamil-keys-"));
  path = join(folder, "signing-keys");
});
afterEach(() => rm(folder, { recursive: true }));

/** A replica that follows the file, and knows every key that any replica has made. */
async function openReplica() {
  const signingKeys = await followSigningKeys(path);
  const uuids = createUuidSource(clock);
  const issuer = createIssuer({ signingKeys, clock, uuids });
  const verifier = createVerifier({
    jwks: signingKeys,
    registry: { key: () => ({ accountId }) },
    clock,
  });
  return {
    signingKeys,
    issue: async () => (await issuer.issueKey({ accountId, plan: "pro", name: "laptop" })).key,
    accepts: (key: string) => verifier.verify(key).accountId === accountId,
  };
}

describe("a rotation of signing keys in two steps", () => {
  it("never signs with a key that a replica lacks, whichever reads the file first", async () => {
    const replicas = [await openReplica(), await openReplica()];
    const keys = [await replicas[0]?.issue()];
    for (const step of ["stage", "promote"] as const) {
      const kid = await rotateSigningKeys(path, step);
      for (const replica of replicas) {
        await replica.signingKeys.reload();
        keys.push(await replica.issue());
        const judged = replicas.map(({ accepts }) => keys.every((key = "") => accepts(key)));
        expect(judged).toEqual([true, true]);
        const { signing } = replica.signingKeys;
        expect(signing.kid === kid).toBe(step === "promote");
      }
    }
    expect(replicas[0]?.signingKeys.jwks().keys).toHaveLength(2);
  });

  it("forgets the private part of the key that signs no more, and shows no private part", async () => {
    const { signingKeys } = await openReplica();
    const before = signingKeys.signing.kid;
    await rotateSigningKeys(path, "both");
    await signingKeys.reload();
    const { signing, keys } = JSON.parse(await readFile(path, "utf8"));
    expect(signing).not.toBe(before);
    expect(keys.find(({ kid }: { kid: string }) => kid === before)).not.toHaveProperty("d");
    expect(JSON.stringify(signingKeys.jwks())).not.toMatch(/"d":/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("is refused out of order", async () => {
    await openReplica();
    await expect(rotateSigningKeys(path, "promote")).rejects.toThrow("no key is staged");
    await rotateSigningKeys(path, "stage");
    await expect(rotateSigningKeys(path, "stage")).rejects.toThrow("is staged already");
    await expect(rotateSigningKeys(join(folder, "none"), "both")).rejects.toThrow("no file");
  });

  it("goes on with what it has while the file is broken or gone", async () => {
    const { signingKeys, issue, accepts } = await openReplica();
    const key = await issue();
    await writeFile(path, "{}");
    await expect(signingKeys.reload()).rejects.toThrow();
    await rm(path);
    await signingKeys.reload();
    expect(accepts(key)).toBe(true);
  });
});
