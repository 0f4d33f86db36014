// The rotation of the keys that sign API keys: a file changes, and every gateway that has it open follows.
import { SettingsError } from "../platform/settings.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";
import {
  createSigningKeys,
  generateSigningJwk,
  openSigningKeys,
  parseSigningKeySet,
  type SigningJwk,
  type SigningKeySet,
  type SigningKeys,
  type SigningKeysOptions,
} from "./signing-keys.ts";

/** Signing keys that follow their file. */
export interface FollowedSigningKeys extends SigningKeys {
  /** Takes over what the file holds now. Rejects, and keeps what it has, where that is not a set of keys. */
  reload(): Promise<void>;
}

/** The keys of a file as `openSigningKeys` opens them, which `reload` reads again. */
export async function followSigningKeys(
  path: string,
  options?: SigningKeysOptions,
): Promise<FollowedSigningKeys> {
  let keys = await openSigningKeys(path, options);
  let known = await readSecretFile(path);
  return {
    get signing() {
      return keys.signing;
    },
    publicKeys: () => keys.publicKeys(),
    jwks: () => keys.jwks(),
    async reload() {
      const text = await readSecretFile(path);
      if (text === undefined || text === known) return;
      keys = await createSigningKeys(parseSigningKeySet(text, path));
      known = text;
    },
  };
}

/**
 * A step of a rotation: "stage" adds a key that verifies and does not sign yet, "promote" lets it sign and
 * forgets the private part of the one before, "both" does both at once, for a gateway that is alone. Public keys stay:
 * API keys that they signed go on.
 */
export type RotationStep = "stage" | "promote" | "both";

/** Does a step in the file; gives the kid that is staged or signs now. Throws SettingsError where it cannot be. */
export async function rotateSigningKeys(path: string, step: RotationStep): Promise<string> {
  const text = await readSecretFile(path);
  if (text === undefined) {
    throw new SettingsError([`signingKeys: there is no file ${path}: start a gateway first`]);
  }
  let set = parseSigningKeySet(text, path);
  if (step !== "promote") set = stage(set, await generateDistinctJwk(set));
  const staged = stagedOf(set);
  if (staged === undefined) {
    throw new SettingsError([
      "signingKeys: no key is staged: stage one, and give every replica the file",
    ]);
  }
  if (step !== "stage") set = promote(set, staged);
  // What cannot be opened must not get there.
  await createSigningKeys(set);
  await writeSecretFile(path, `${JSON.stringify(set)}\n`);
  return staged.kid;
}

function stagedOf({ signing, keys }: SigningKeySet): SigningJwk | undefined {
  return keys.find(({ kid, d }) => kid !== signing && d !== undefined);
}

function stage(set: SigningKeySet, jwk: SigningJwk): SigningKeySet {
  const staged = stagedOf(set);
  if (staged === undefined) return { ...set, keys: [...set.keys, jwk] };
  throw new SettingsError([
    `signingKeys: the key ${staged.kid} is staged already: promote it first`,
  ]);
}

function promote({ keys }: SigningKeySet, { kid }: SigningJwk): SigningKeySet {
  return {
    signing: kid,
    keys: keys.map((jwk) => (jwk.kid === kid ? jwk : { kid: jwk.kid, x: jwk.x })),
  };
}

/** Kids are short, so that two are the same now and then. */
async function generateDistinctJwk({ keys }: SigningKeySet): Promise<SigningJwk> {
  for (;;) {
    const jwk = await generateSigningJwk();
    if (keys.every(({ kid }) => kid !== jwk.kid)) return jwk;
  }
}
