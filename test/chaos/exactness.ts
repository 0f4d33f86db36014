/** What must be exact however many ask at once: the last credit, and the usage right after an answer. */
import { expect } from "vitest";
import { bearer } from "../e2e/doors.ts";
import { type Gateway, type GatewayOptions, startGateway } from "../e2e/gateway.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import type { Address } from "./traffic.ts";

/** Limits that never stand in the way. */
const wide = { requestsPerMinute: 1e6, requestsPerDay: 1e6, tokensPerMinute: 1e9 };
const body = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };
/** Accounts that read at the same time; each may read 600 times a minute. */
const readers = 25;
const readsPerRound = 10;

/** Plans that grant one credit, and many. */
export const exactPlans = [
  { name: "one", creditsPerMonth: 1, ...wide },
  { name: "many", creditsPerMonth: 1e6, ...wide },
];

/** A gateway with these plans. */
export function startExactGateway(options: GatewayOptions = {}): Promise<Gateway> {
  return startGateway({ ...options, config: { plans: exactPlans } });
}

/**
 * Sends so many requests at once for one credit, in each round for another account and in turn to the gateways;
 * gives the answers by status.
 */
export async function spendLastCredits(
  gateways: readonly Address[],
  rounds: number,
  requests: number,
) {
  const totals = { answered: 0, refused: 0, reads: 0 };
  const [first] = gateways;
  if (first === undefined) throw new Error("no gateway");
  for (let round = 0; round < rounds; round++) {
    const key = await openAccount(first, "one");
    const at = (turn: number) => ({ url: gateways[turn % gateways.length]?.url ?? "", key });
    const account = at(0);
    // Every replica has heard of the account before the race.
    for (const { url } of gateways) await known({ url, key });
    const reads = Array.from({ length: readsPerRound }, (_, turn) => readUsage(at(turn)));
    const asked = Array.from({ length: requests }, (_, turn) => ask(at(turn)));
    for (const { used, remaining } of await Promise.all(reads)) {
      expect([0, 1]).toContain(used);
      expect(used + remaining).toBe(1);
    }
    const statuses = await Promise.all(asked);
    const answered = statuses.filter((status) => status === 200).length;
    const refused = statuses.filter((status) => status === 402).length;
    expect({ round, answered, refused }).toEqual({ round, answered: 1, refused: requests - 1 });
    expect(await readUsage(account)).toEqual({ used: 1, remaining: 0 });
    totals.answered += answered;
    totals.refused += refused;
    totals.reads += readsPerRound + 1;
  }
  return totals;
}

/** Reads the usage right after each of so many answers; gives how many of them did not include it. */
export async function readAfterAnswers(gateway: Address, answers: number) {
  const stale = { reads: 0, missing: 0 };
  const read = async () => {
    const account = { url: gateway.url, key: await openAccount(gateway, "many") };
    for (let answered = 1; answered <= answers / readers; answered++) {
      expect(await ask(account)).toBe(200);
      stale.reads++;
      if ((await readUsage(account)).used !== answered) stale.missing++;
    }
  };
  await Promise.all(Array.from({ length: readers }, read));
  return stale;
}

async function ask({ url, key }: Address): Promise<number> {
  const headers = bearer(key);
  return (await sendHttp1(url, { path: "/v1/chat/completions", headers, body })).status;
}

/** Resolves when the gateway knows the key. */
async function known({ url, key }: Address): Promise<void> {
  const status = async () =>
    (await sendHttp1(url, { path: "/v1/usage", headers: bearer(key) })).status;
  await expect.poll(status, { timeout: 10_000, interval: 20 }).toBe(200);
}

async function readUsage({ url, key }: Address): Promise<{ used: number; remaining: number }> {
  const reply = await sendHttp1(url, { path: "/v1/usage", headers: bearer(key) });
  expect(reply.status, reply.text).toBe(200);
  const { credits_used: used, credits_remaining: remaining } = JSON.parse(reply.text);
  return { used, remaining };
}

async function openAccount({ url, key }: Address, plan: string): Promise<string> {
  const path = "/v1/admin/accounts";
  const reply = await sendHttp1(url, { path, headers: bearer(key), body: { name: "exact", plan } });
  return String(JSON.parse(reply.text).key);
}
