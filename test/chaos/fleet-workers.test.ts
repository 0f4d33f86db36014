/** A replica of a fleet whose workers share its port. */
import { afterAll, expect, it } from "vitest";
import { createRandom } from "../admission/traffic.ts";
import { bearer } from "../e2e/doors.ts";
import { sendHttp2 } from "../e2e/rest-client.ts";
import { openUpstream } from "../fakes/openai-upstream.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { partsOf } from "./crashes.ts";
import { exactPlans, spendLastCredits } from "./exactness.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { checkFleet, settled } from "./fleet-books.ts";
import { chaosPlan } from "./fleet-kills.ts";
import { Traffic } from "./traffic.ts";

const workers = 3;
const twenty = { ...chaosPlan, name: "twenty", requestsPerMinute: 20 };
const model = "chaos-model";
const body = { model, messages: [{ role: "user", content: "Say hello." }] };

await describeWith("a replica with three workers", fetchClickHouse, (startClickHouse) => {
  const upstream = openUpstream();
  let fleet: Fleet | undefined;
  const opened = async (): Promise<Fleet> => {
    const { baseUrl } = await upstream;
    fleet ??= await startFleet({
      ...{ startClickHouse, gateways: 1, workers, consumers: 1 },
      config: {
        plans: [...exactPlans, twenty, chaosPlan],
        models: [{ name: model, tier: "free" }],
        providers: [{ name: "lab", kind: "openai", baseUrl, models: [model] }],
      },
    });
    return fleet;
  };
  afterAll(async () => {
    await fleet?.stop();
    await (await upstream).close();
  });
  const path = "/v1/chat/completions";

  it("answers one of hundreds for the last credit, and exactly as many of a minute as may be", async () => {
    const address = await (await opened()).address();
    expect(await spendLastCredits([address], 5, 300)).toMatchObject({ answered: 5 });
    const headers = bearer(await (await opened()).openAccount(twenty.name));
    const known = async () => (await sendHttp2(address.url, { path: "/v1/usage", headers })).status;
    await expect.poll(known, { timeout: 10_000 }).toBe(200);
    const asked = Array.from({ length: 120 }, () =>
      sendHttp2(address.url, { path, headers, body }),
    );
    const statuses = (await Promise.all(asked)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(100);
  }, 300_000);

  it("and all that they share are well by `optamil doctor`", async () => {
    const { code, stdout } = await (await opened()).run(["doctor", "--json"]);
    const diagnoses: { part: string; status: string }[] = JSON.parse(stdout);
    expect(diagnoses.filter(({ status }) => status === "error")).toEqual([]);
    expect(code).toBe(0);
    const parts = diagnoses.map(({ part }) => part);
    expect(parts).toEqual(expect.arrayContaining(["usage log", "consumers", "counters", "redis"]));
  }, 60_000);

  it("loses and doubles nothing when workers are killed, and when there is one where three were", async () => {
    const fleet = await opened();
    const seed = Date.now() % 1_000_000;
    const random = createRandom(seed);
    const key = await fleet.openAccount(chaosPlan.name);
    const address = async () => ({ url: (await fleet.address()).url, key });
    const traffic = new Traffic({ clients: 8, seed, address });
    const replica = fleet.replica(0);
    for (let kill = 0; kill < 3; kill++) {
      await traffic.more(50);
      const { process: first } = await replica.serving;
      const parts = await partsOf(first.pid);
      process.kill(parts[Math.floor(random() * parts.length)]?.pid ?? -1, "SIGKILL");
    }
    await traffic.more(100);
    // What is answered while Kafka is away waits in the outboxes of three workers, of which one will be there.
    const [broker] = fleet.kafka.brokers;
    await broker?.kill();
    await traffic.more(100);
    await (await replica.serving).process.kill();
    await broker?.restart();
    fleet.workers = 1;
    await fleet.killReplica(0);
    await traffic.more(50);
    await traffic.stop();
    await settled(fleet);
    const { requests } = await upstream;
    const called = new Set(requests.map(({ headers }) => String(headers["x-request-id"])));
    const verdict = await checkFleet(fleet, [key], { received: traffic.received, called });
    console.log(`figure  kill -9 of workers in a fleet  ${JSON.stringify({ ...verdict, seed })}`);
    expect(verdict).toMatchObject({ lost: 0, doubled: 0 });
  }, 400_000);
});
