/** Clients of every API behind nginx, while the processes of a fleet are killed and upgraded in turn. */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { startProxy } from "../../deploy/fleet/proxy.ts";
import { createRandom } from "../admission/traffic.ts";
import { temporaryFolder } from "../e2e/gateway.ts";
import { playEmbeddings, upstreamDimensions } from "../fakes/embeddings-upstream.ts";
import { openUpstream, playOpenAi } from "../fakes/openai-upstream.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { findPorts } from "../setup/find-ports.ts";
import type { RunningProcess } from "../setup/process.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { checkFleet, settled } from "./fleet-books.ts";
import { chaosPlan } from "./fleet-kills.ts";
import { type Failure, MixedClients, type Target } from "./mixed-clients.ts";
import { countConnections, inspected, readVitals, type Vitals } from "./vitals.ts";

const gateways = 3;
const consumers = 2;
const accounts = 4;
const clients = 20;
/** Of an answer, and of each piece of a stream. */
const upstreamPauseMsMax = 8;
const betweenMs = 1_500;
/** Gateway that is left alone, as only a process that lives can show that it does not grow. */
const survivor = 2;
const warmUpMs = 20_000;
/** For 15 minutes a gateway remembers what has settled, and its outbox is as large as the longest wait for Kafka made it. */
const fullAfterMs = 17 * 60_000;
/** Timers of the clients of Kafka and Redis come and go. */
const timersMore = 3;
const quietTimeoutMs = 90_000;
/** Over more than a second, at moments that no timer of a second shares. */
const restingLooks = 8;
const lookAgainMs = 170;
/** A killed process takes its running requests along; the proxy notices at once. */
const killedForMs = 2_000;

/** What is done to a fleet under load: to its gateways each other time. */
const ofGateways = [
  ["gateways upgraded", (fleet: Fleet, pick: Pick) => fleet.upgradeReplica(pick(survivor))],
  ["gateways killed", (fleet: Fleet, pick: Pick) => fleet.killReplica(pick(survivor))],
] as const;

const ofOthers = [
  ["consumers killed", (fleet: Fleet, pick: Pick) => fleet.restartConsumer(pick(2), "SIGKILL")],
  ["ClickHouse killed", (fleet: Fleet) => fleet.clickhouse.restart()],
  ["consumers upgraded", (fleet: Fleet, pick: Pick) => fleet.restartConsumer(pick(2), "SIGTERM")],
  ["brokers killed", restartBroker],
] as const;

type Pick = (count: number) => number;

async function restartBroker({ kafka: { brokers } }: Fleet, pick: Pick): Promise<void> {
  const broker = brokers[pick(brokers.length)];
  await broker?.kill();
  await broker?.restart();
}

/** The suite, for so many minutes of load. */
export function describeFleetMixed(minutes: number): Promise<void> {
  const seed = Date.now() % 1_000_000;
  return describeWith("a fleet behind nginx", fetchClickHouse, (startClickHouse) => {
    it(
      `loses, doubles and fails nothing while it is killed and upgraded in turn (seed ${seed})`,
      async () => {
        const world = await openWorld(startClickHouse, seed);
        await warmUp(world, seed);
        const before = await quietVitals(world);
        const { found, growth, done } = await load(world, minutes * 60_000, seed);
        const settledMs = await settled(world.fleet);
        const { received, failures } = found;
        const verdict = await checkFleet(world.fleet, world.keys, {
          received,
          called: world.called,
        });
        const after = await quietVitals(world);
        const ofKilled = failures.filter((failure) => wasKilled(failure, done.kills));
        const failed = failures.filter((failure) => !ofKilled.includes(failure));
        const meanwhile = done.log.filter(({ fromMs, toMs }) =>
          failed.some(({ startedMs, endedMs }) => fromMs <= endedMs && toMs >= startedMs),
        );
        const asked = { asked: found.asked, left: found.left, ...found.answers };
        const figures = { ...verdict, failedOfKilled: ofKilled.length, failed: failed.length };
        console.log(
          `figure  ${minutes} min of mixed load  ${JSON.stringify({ ...figures, ...done.counts, settledMs })}`,
        );
        console.log(`figure  mixed load, requests  ${JSON.stringify(asked)}`);
        console.log(`figure  mixed load, vitals  ${JSON.stringify({ growth, before, after })}`);
        if (failed.length > 0) {
          console.log(`figure  mixed load, failures  ${JSON.stringify({ failed, meanwhile })}`);
        }
        await world.stop();
        expect({ failed, meanwhile }).toEqual({ failed: [], meanwhile: [] });
        expect(verdict).toMatchObject({ lost: 0, doubled: 0 });
        expect(Object.values(found.answers).every((count) => count > 0)).toBe(true);
        expect(Object.keys(found.answers)).toHaveLength(9);
        expect(after.connections).toEqual(before.connections);
        expect(after.vitals.timers).toBeLessThanOrEqual(before.vitals.timers + timersMore);
        expect(growth.residentMb).toBeLessThan(growth.allowedMb);
      },
      minutes * 60_000 + 600_000,
    );
  });
}

type World = Awaited<ReturnType<typeof openWorld>>;

async function openWorld(
  startClickHouse: Awaited<ReturnType<typeof fetchClickHouse>>,
  seed: number,
) {
  const random = createRandom(seed + 1);
  const called = new Set<string>();
  const upstream = await openUpstream(async (response, request) => {
    called.add(String(request.headers["x-request-id"]));
    const write = response.write.bind(response);
    // Its pieces come apart, so that clients leave between them.
    response.write = (piece: unknown, then?: unknown) => {
      setTimeout(() => write(piece, then as () => void), random() * upstreamPauseMsMax);
      return true;
    };
    await wait(random() * upstreamPauseMsMax);
    const play = request.url.endsWith("/embeddings") ? playEmbeddings : playOpenAi;
    await play(response, request);
  });
  const { baseUrl } = upstream;
  const fleet = await startFleet({
    ...{ startClickHouse, brokers: 3, gateways, consumers, env: inspected },
    config: {
      plans: [chaosPlan],
      models: [
        { name: "lab-model", tier: "free" },
        { name: "lab-vectors", tier: "free", dimensions: upstreamDimensions },
      ],
      providers: [{ name: "lab", kind: "openai", baseUrl, models: ["lab-model", "lab-vectors"] }],
    },
  });
  const keys = await Promise.all(
    Array.from({ length: accounts }, () => fleet.openAccount(chaosPlan.name)),
  );
  const [http1 = 0, http2 = 0] = await findPorts(2);
  const home = await temporaryFolder();
  let starts = 0;
  const start = async () => {
    const folder = join(home, `${starts++}`);
    await mkdir(folder);
    return startProxy({
      folder,
      gatewayPorts: fleet.replicas.map(({ port }) => port),
      listen: [`127.0.0.1:${http1}`, `127.0.0.1:${http2} http2`],
    });
  };
  const target: Target = {
    url: `http://127.0.0.1:${http1}`,
    grpcUrl: `http://127.0.0.1:${http2}`,
  };
  const proxy = { start, process: await start() };
  return {
    ...{ fleet, keys, target, upstream, called, proxy },
    stop: async () => {
      await proxy.process.kill();
      await fleet.stop();
      await upstream.close();
    },
  };
}

/** So that what is made at the first request of a kind is there. */
async function warmUp({ target, keys }: World, seed: number): Promise<void> {
  const first = new MixedClients(target, keys, clients, seed);
  await expect.poll(() => first.received.size, { timeout: quietTimeoutMs }).toBeGreaterThan(200);
  await first.stop();
  expect(first.failures).toEqual([]);
}

/** Load with everything that is done to the fleet meanwhile. */
async function load(world: World, forMs: number, seed: number) {
  const random = createRandom(seed);
  const { fleet, keys, target } = world;
  const found = new MixedClients(target, keys, clients, seed);
  const growing = watchGrowth(world, found, forMs > 2 * fullAfterMs ? fullAfterMs : warmUpMs);
  const counts: Record<string, number> = {};
  const kills: Kill[] = [];
  const log: { name: string; fromMs: number; toMs: number }[] = [];
  const endMs = performance.now() + forMs;
  for (let turn = 0; performance.now() < endMs; turn += 1) {
    await wait(betweenMs);
    const actions = turn % 2 === 0 ? ofGateways : ofOthers;
    const [name, act] = actions[Math.floor(turn / 2) % actions.length] ?? ofGateways[0];
    const [at, fromMs] = [random(), performance.now()];
    if (name === "gateways killed") kills.push(await followDeath(fleet, Math.floor(at * survivor)));
    await act(fleet, (count) => Math.floor(at * count));
    counts[name] = (counts[name] ?? 0) + 1;
    log.push({ name, fromMs, toMs: performance.now() });
  }
  const growth = await growing.stop();
  await found.stop();
  return { found, growth, done: { counts, kills, log } };
}

/** When a process was killed, and when it was dead: on a busy machine that takes its time. */
type Kill = { readonly atMs: number; deadAtMs: number };

async function followDeath(fleet: Fleet, replica: number): Promise<Kill> {
  const { process } = await fleet.replica(replica).serving;
  const kill = { atMs: performance.now(), deadAtMs: Number.POSITIVE_INFINITY };
  void process.exited.then(() => {
    kill.deadAtMs = performance.now();
  });
  return kill;
}

/** Whether a request was running at a gateway when that was killed. */
function wasKilled({ startedMs, endedMs }: Failure, kills: readonly Kill[]): boolean {
  return kills.some(
    ({ atMs, deadAtMs }) =>
      startedMs <= deadAtMs && endedMs >= atMs && endedMs < deadAtMs + killedForMs,
  );
}

/** What the gateway that is left alone has grown by once it was warm, as it was after collections of garbage. */
function watchGrowth({ fleet }: World, found: MixedClients, afterMs: number) {
  const stopping = new AbortController();
  const watching = (async () => {
    await wait(afterMs, undefined, { signal: stopping.signal }).catch(() => {});
    const [first, firstAsked] = [await vitalsOf(fleet), found.asked];
    // The load may be over before the gateway was warm.
    if (!stopping.signal.aborted) await once(stopping.signal, "abort");
    const last = await vitalsOf(fleet);
    const requests = Math.round((found.asked - firstAsked) / gateways);
    const residentMb = last.residentMb - first.residentMb;
    // A megabyte for each 100,000 requests, beside what a process of some minutes takes until its caches and spaces are full.
    const allowedMb = 64 + requests / 100_000;
    return { requests, residentMb, heapMb: last.heapMb - first.heapMb, allowedMb };
  })();
  return {
    stop: () => {
      stopping.abort();
      return watching;
    },
  };
}

async function vitalsOf(fleet: Fleet): Promise<Vitals> {
  return readVitals((await fleet.replica(survivor).serving).process);
}

/** What the gateway that is left alone holds when nobody asks and the proxy's and its providers' connections are closed. */
async function quietVitals({ fleet, upstream, proxy }: World) {
  await proxy.process.kill();
  const { process } = await fleet.replica(survivor).serving;
  const providerPort = Number(new URL(upstream.baseUrl).port);
  const ports = [fleet.replica(survivor).port, providerPort, Number(new URL(fleet.redis.url).port)];
  const connections = () => countConnections(process.pid, ports);
  const ofClients = () => [connections()[ports[0] ?? 0], connections()[providerPort]];
  await expect.poll(ofClients, { timeout: quietTimeoutMs, interval: 250 }).toEqual([0, 0]);
  const vitals = await restingVitals(process);
  proxy.process = await proxy.start();
  return { connections: connections(), vitals };
}

/** The look with the fewest timers of some: once a second the counters ask 64 shards at once, each with a deadline. */
async function restingVitals(process: RunningProcess): Promise<Vitals> {
  let resting = await readVitals(process);
  for (let looks = 1; looks < restingLooks; looks += 1) {
    await wait(lookAgainMs);
    const vitals = await readVitals(process);
    if (vitals.timers < resting.timers) resting = vitals;
  }
  return resting;
}
