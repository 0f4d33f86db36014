import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLocalJWKSet, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  createSigningKeys,
  generateSigningJwk,
  openSigningKeys,
} from "../../src/keys/signing-keys.ts";
import { createKeyRing } from "./key-ring.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "optamil-keys-"));
  path = join(folder, "data", "signing-keys.json");
});

afterEach(() => rm(folder, { recursive: true }));

describe("the file of the signing keys", () => {
  it("is made at the first start, for its owner only", async () => {
    await openSigningKeys(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it("gives the same keys at the next start", async () => {
    const first = await openSigningKeys(path);
    const text = await readFile(path, "utf8");
    const next = await openSigningKeys(path);
    expect(next.jwks()).toEqual(first.jwks());
    expect(next.signing.kid).toBe(first.signing.kid);
    expect(await readFile(path, "utf8")).toBe(text);
  });

  it("is made anew over what a crash left half written", async () => {
    const { jwks } = await openSigningKeys(path);
    await rm(path);
    await writeFile(`${path}.unfinished`, '{"signing":', { mode: 0o644 });
    expect((await openSigningKeys(path)).jwks()).not.toEqual(jwks());
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it.each([0o644, 0o604, 0o666, 0o620])("is refused with mode %o", async (mode) => {
    await openSigningKeys(path);
    await chmod(path, mode);
    await expect(openSigningKeys(path)).rejects.toThrow("can be read by others");
  });

  it.each([
    ["nothing", ""],
    ["no set of keys", "{}"],
    ["a kid in capitals", '{"signing":"AB","keys":[{"kid":"AB","x":"AA","d":"AA"}]}'],
    ["a kid of one character", '{"signing":"a","keys":[{"kid":"a","x":"AA","d":"AA"}]}'],
    ["no key that signs", '{"signing":"ab","keys":[]}'],
    ["a key that is none", '{"signing":"ab","keys":[{"kid":"ab","x":"AA","d":"AA"}]}'],
  ])("is refused when it holds %s", async (_, text) => {
    await openSigningKeys(path);
    await writeFile(path, text);
    await expect(openSigningKeys(path)).rejects.toThrow();
  });
});

describe("the public keys", () => {
  it("are shown with kid, algorithm and use, and without the private part", async () => {
    const keys = await openSigningKeys(path);
    expect(keys.jwks()).toEqual({
      keys: [
        {
          kty: "OKP",
          crv: "Ed25519",
          alg: "EdDSA",
          use: "sig",
          kid: expect.stringMatching(/^[a-z0-9]{2,8}$/),
          x: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
        },
      ],
    });
  });

  it("let anybody with jose verify a key offline", async () => {
    const ring = await createKeyRing();
    const { key, jti } = await ring.issue();
    const jwks = createLocalJWKSet(ring.signingKeys.jwks());
    const token = key.slice("sk-optamil-".length);
    const currentDate = new Date(ring.clock.nowMs);
    const { payload } = await jwtVerify(token, jwks, { audience: "api", currentDate });
    expect(payload.jti).toBe(jti);
  });
});

describe("a set of signing keys", () => {
  it("is refused when two keys have the same kid", async () => {
    const [one, two] = [await generateSigningJwk(), await generateSigningJwk()];
    const keys = [one, { ...two, kid: one.kid }];
    await expect(createSigningKeys({ signing: one.kid, keys })).rejects.toThrow("same kid");
  });

  it("is refused when the key that signs has no private part", async () => {
    const { kid, x } = await generateSigningJwk();
    await expect(createSigningKeys({ signing: kid, keys: [{ kid, x }] })).rejects.toThrow(
      "no private part",
    );
  });
});
