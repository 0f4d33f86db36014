import { expect, it } from "vitest";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { killFleet } from "./fleet-kills.ts";

const seed = Date.now() % 1_000_000;
const kills = { gateway: 100, consumer: 100, clickhouse: 20, broker: 20 };

await describeWith("a fleet under load", fetchClickHouse, (startClickHouse) => {
  it(`has one event for each whole answer when its processes are killed in any order (seed ${seed})`, async () => {
    const verdict = await killFleet(startClickHouse, kills, seed);
    console.log(`figure  kill -9 in a fleet  ${JSON.stringify(verdict)}`);
    expect(verdict).toMatchObject({ lost: 0, doubled: 0 });
  }, 3_600_000);
});
