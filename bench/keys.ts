// `node bench/keys.ts`: what a credential costs, cached and cold, and whether the time of a refusal tells its reason.
import { Buffer } from "node:buffer";
import { createIssuer } from "../src/keys/issue.ts";
import { createSigningKeys, generateSigningJwk } from "../src/keys/signing-keys.ts";
import { createVerifier } from "../src/keys/verify.ts";
import { systemClock } from "../src/platform/clock.ts";
import { createUuidSource } from "../src/platform/uuid.ts";
import { createRefused } from "./refused-credentials.ts";

const keysCount = 2_000;
const rounds = 1_000;
const callsPerRound = 5;
const accountId = "0190b2c4-0000-7000-8000-000000000001";

const jwk = await generateSigningJwk();
const signingKeys = await createSigningKeys({ signing: jwk.kid, keys: [jwk] });
const registered = new Map<string, { accountId: string; revokedAtUs?: bigint }>();
const parts = {
  jwks: signingKeys,
  registry: { key: (keyId: string) => registered.get(keyId) },
  clock: systemClock,
};
const verifier = createVerifier(parts);
const uuids = createUuidSource(systemClock);
const issuer = createIssuer({ signingKeys, clock: systemClock, uuids });

async function issue(): Promise<string> {
  const { key, jti } = await issuer.issueKey({ accountId, plan: "pro", name: "bench" });
  registered.set(jti, { accountId });
  return key;
}

function percentile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
}

/** Microseconds of each call. */
function timeAll(calls: readonly (() => unknown)[]): number[] {
  return calls.map((call) => {
    const startedMs = performance.now();
    call();
    return (performance.now() - startedMs) * 1_000;
  });
}

function refuse(credential: string): void {
  try {
    verifier.verify(credential);
  } catch {
    return;
  }
  throw new Error(`it was accepted: ${credential}`);
}

function row(name: string, us: readonly number[]): void {
  const [p50, p99] = [percentile(us, 0.5).toFixed(1), percentile(us, 0.99).toFixed(1)];
  process.stdout.write(`| ${name} | ${p50} | ${p99} |\n`);
}

const keys: string[] = [];
for (let count = 0; count < keysCount; count += 1) keys.push(await issue());
const victim = await issue();
process.stdout.write(`${keysCount} keys\n\n| verify | p50 µs | p99 µs |\n| --- | --- | --- |\n`);
row("cold", timeAll(keys.map((key) => () => verifier.verify(key))));
row("cached", timeAll(keys.flatMap((key) => Array(10).fill(() => verifier.verify(key)))));

/** Whatever is wrong with a credential, its refusal is to take the same time. */
const refused = createRefused({ jwk, victim, otherOf: (at) => keys[at % keysCount] ?? "" });

/** As a door gets it: a text that was just read, of which the engine knows nothing from before. */
function asReceived(credential: string): string {
  return Buffer.from(credential, "latin1").toString("latin1");
}

process.stdout.write("\n| refusal | p50 µs | p99 µs |\n| --- | --- | --- |\n");
// Interleaved, so that what else the machine does falls on all of them alike.
const times = new Map<string, number[]>(refused.map(([name]) => [name, []]));
for (let round = 0; round < rounds; round += 1) {
  for (const [name, make] of refused) {
    const credentials = Array.from({ length: callsPerRound }, (_, at) =>
      asReceived(make(round * callsPerRound + at)),
    );
    times.get(name)?.push(...timeAll(credentials.map((credential) => () => refuse(credential))));
  }
}
for (const [name, us] of times) row(name, us);
const medians = [...times.values()].map((us) => percentile(us, 0.5));
const spread = (Math.max(...medians) / Math.min(...medians) - 1) * 100;
process.stdout.write(`\nmedians of refusals differ by ${spread.toFixed(1)} %\n`);
