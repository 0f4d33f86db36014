/** Processes of a fleet that die at random moments under load. */
import { expect, it } from "vitest";
import { createRandom } from "../admission/traffic.ts";
import { openUpstream, playOpenAi } from "../fakes/openai-upstream.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { checkFleet, settled } from "./fleet-books.ts";
import { startSamples } from "./samples.ts";
import { Traffic } from "./traffic.ts";

/** What dies, and how often. */
export type Kills = {
  readonly gateway: number;
  readonly consumer: number;
  readonly clickhouse: number;
  readonly broker: number;
};

type Victim = keyof Kills;

const gateways = 2;
const consumers = 2;
const accounts = 4;
const clients = 8;
/** Answers between two deaths, at most. */
const answersMax = 150;
const upstreamLatencyMsMax = 20;

/** A plan whose limits no test reaches. */
export const chaosPlan = {
  name: "chaos",
  creditsPerMonth: 100_000_000,
  requestsPerMinute: 10_000_000,
  requestsPerDay: 100_000_000,
  tokensPerMinute: 1_000_000_000,
};

/** The suite, at one size. */
export function describeFleetKills(kills: Kills, timeoutMs: number): Promise<void> {
  const seed = Date.now() % 1_000_000;
  return describeWith("a fleet under load", fetchClickHouse, (startClickHouse) => {
    it(
      `has one event for each whole answer when its processes are killed in any order (seed ${seed})`,
      async () => {
        const verdict = await killFleet(startClickHouse, kills, seed);
        console.log(`figure  kill -9 in a fleet  ${JSON.stringify(verdict)}`);
        expect(verdict).toMatchObject({ lost: 0, doubled: 0 });
      },
      timeoutMs,
    );
  });
}

/** Kills processes in a random order under load, then checks the books event by event. */
async function killFleet(
  startClickHouse: Awaited<ReturnType<typeof fetchClickHouse>>,
  kills: Kills,
  seed: number,
) {
  const random = createRandom(seed);
  const upstream = await openUpstream(async (response, request) => {
    await new Promise((resolve) => setTimeout(resolve, random() * upstreamLatencyMsMax));
    await playOpenAi(response, request);
  });
  const { baseUrl } = upstream;
  const fleet = await startFleet({
    ...{ startClickHouse, brokers: 3, gateways, consumers },
    config: {
      plans: [chaosPlan],
      models: [{ name: "chaos-model", tier: "free" }],
      providers: [{ name: "lab", kind: "openai", baseUrl, models: ["chaos-model"] }],
    },
  });
  const keys = await Promise.all(
    Array.from({ length: accounts }, () => fleet.openAccount(chaosPlan.name)),
  );
  const traffic = new Traffic({
    ...{ clients, seed },
    address: async (client) => ({
      url: (await fleet.address(client)).url,
      key: keys[client % accounts] ?? "",
    }),
  });
  const samples = startSamples(fleet, keys);
  for (const victim of shuffle(kills, random)) {
    await traffic.more(1 + Math.floor(random() * answersMax));
    await kill(fleet, victim, random);
  }
  await traffic.more(answersMax);
  await traffic.stop();
  const settledMs = await settled(fleet);
  const called = new Set(upstream.requests.map(({ headers }) => String(headers["x-request-id"])));
  const verdict = await checkFleet(fleet, keys, { received: traffic.received, called });
  expect([...traffic.refused.keys()].filter((status) => status !== 401)).toEqual([]);
  const sampled = await samples.stop();
  await fleet.stop();
  await upstream.close();
  return { ...verdict, kills, broken: traffic.broken, settledMs, ...sampled };
}

function shuffle(kills: Kills, random: () => number): Victim[] {
  const victims: Victim[] = ["gateway", "consumer", "clickhouse", "broker"];
  const all = victims.flatMap((victim) =>
    Array.from({ length: kills[victim] }, () => ({ victim, key: random() })),
  );
  return all.toSorted((one, other) => one.key - other.key).map(({ victim }) => victim);
}

async function kill(fleet: Fleet, victim: Victim, random: () => number): Promise<void> {
  const pick = (count: number) => Math.floor(random() * count);
  switch (victim) {
    case "gateway":
      return fleet.killReplica(pick(gateways));
    case "consumer":
      return fleet.restartConsumer(pick(consumers), "SIGKILL");
    case "clickhouse":
      return fleet.clickhouse.restart();
    case "broker": {
      const { brokers } = fleet.kafka;
      const broker = brokers[pick(brokers.length)];
      await broker?.kill();
      await broker?.restart();
    }
  }
}
