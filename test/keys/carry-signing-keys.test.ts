import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { carrySigningKeys } from "../../src/keys/carry-signing-keys.ts";
import { rotateSigningKeys } from "../../src/keys/rotate-signing-keys.ts";
import { openSigningKeys } from "../../src/keys/signing-keys.ts";

let folder: string;
let from: string;
let to: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "optamil-keys-"));
  [from, to] = [join(folder, "alone"), join(folder, "fleet", "signing-keys")];
});

afterEach(() => rm(folder, { recursive: true }));

it("a fleet without signing keys gets the file as it is, for its owner only", async () => {
  const { signing } = await openSigningKeys(from);
  expect(await carrySigningKeys(from, to)).toEqual({ done: "copied", kids: [signing.kid] });
  expect(await readFile(to, "utf8")).toBe(await readFile(from, "utf8"));
  expect((await stat(to)).mode & 0o777).toBe(0o600);
  expect(await carrySigningKeys(from, to)).toEqual({ done: "there", kids: [] });
});

it("a fleet with signing keys verifies the others too, and goes on signing with its own", async () => {
  await openSigningKeys(from);
  await rotateSigningKeys(from, "both");
  const own = await openSigningKeys(to);
  const carried = await carrySigningKeys(from, to);
  const old = (await openSigningKeys(from)).jwks().keys;
  expect(carried).toEqual({ done: "added", kids: old.map(({ kid }) => kid) });
  const now = await openSigningKeys(to);
  expect(now.jwks().keys).toEqual([...own.jwks().keys, ...old]);
  expect(now.signing.kid).toBe(own.signing.kid);
  // What signs stays where it was.
  expect(
    JSON.parse(await readFile(to, "utf8")).keys.filter((jwk: object) => "d" in jwk),
  ).toHaveLength(1);
  expect(await carrySigningKeys(from, to)).toEqual({ done: "there", kids: [] });
});

it("one file for both is left as it is, and a missing one is named", async () => {
  await openSigningKeys(to);
  expect(await carrySigningKeys(to, to)).toEqual({ done: "there", kids: [] });
  expect(await carrySigningKeys(from, to)).toEqual({ done: "there", kids: [] });
  await expect(carrySigningKeys(from, from)).rejects.toThrow(
    `signingKeys: there is neither ${from} nor ${from}`,
  );
});

it("a kid that means two keys is refused", async () => {
  await openSigningKeys(from);
  await openSigningKeys(to);
  const { keys } = JSON.parse(await readFile(from, "utf8"));
  const text = await readFile(to, "utf8");
  const { kid } = JSON.parse(text).keys[0];
  await writeFile(from, JSON.stringify({ signing: kid, keys: [{ ...keys[0], kid }] }), {
    mode: 0o600,
  });
  await expect(carrySigningKeys(from, to)).rejects.toThrow(`has another key of the name ${kid}`);
  expect(await readFile(to, "utf8")).toBe(text);
});
