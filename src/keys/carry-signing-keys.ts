// Brings signing keys from one file into another, so that API keys which they signed go on.
import { SettingsError } from "../platform/settings.ts";
import { createSecretFile, readSecretFile, writeSecretFile } from "./secret-file.ts";
import { createSigningKeys, parseSigningKeySet, type SigningJwk } from "./signing-keys.ts";

/** What became of the keys: the whole file was copied, keys were added that verify, or all were there. */
export type CarriedKeys = {
  readonly done: "copied" | "added" | "there";
  readonly kids: readonly string[];
};

/**
 * Makes the file `to` verify whatever `from` has signed: it becomes a copy where it is not there yet, else it gets the
 * public keys that it lacks, and goes on signing with its own.
 *
 * Throws SettingsError where neither file is there, where a kid means two keys, and where `to` cannot be written.
 */
export async function carrySigningKeys(from: string, to: string): Promise<CarriedKeys> {
  const text = await readSecretFile(from);
  const own = from === to ? text : await readSecretFile(to);
  if (text === undefined) {
    if (own !== undefined) return { done: "there", kids: [] };
    throw new SettingsError([`signingKeys: there is neither ${from} nor ${to}`]);
  }
  if (own === undefined) {
    await createSecretFile(to, text);
    return { done: "copied", kids: kidsOf(parseSigningKeySet(text, from).keys) };
  }
  const set = parseSigningKeySet(own, to);
  const missing = missingIn(set.keys, parseSigningKeySet(text, from).keys, to);
  if (missing.length === 0) return { done: "there", kids: [] };
  const whole = { ...set, keys: [...set.keys, ...missing] };
  // What cannot be opened must not get there.
  await createSigningKeys(whole);
  await write(to, `${JSON.stringify(whole)}\n`, missing);
  return { done: "added", kids: kidsOf(missing) };
}

function missingIn(
  known: readonly SigningJwk[],
  wanted: readonly SigningJwk[],
  path: string,
): SigningJwk[] {
  return wanted.flatMap(({ kid, x }) => {
    const same = known.find((jwk) => jwk.kid === kid);
    if (same === undefined) return [{ kid, x }];
    if (same.x === x) return [];
    throw new SettingsError([
      `signingKeys: ${path} has another key of the name ${kid}: make new signing keys for the fleet`,
    ]);
  });
}

async function write(path: string, text: string, missing: readonly SigningJwk[]): Promise<void> {
  try {
    await writeSecretFile(path, text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new SettingsError([
      `signingKeys: ${path} cannot be written (${why}): add ${JSON.stringify(missing)} to its keys`,
    ]);
  }
}

function kidsOf(keys: readonly SigningJwk[]): string[] {
  return keys.map(({ kid }) => kid);
}
