import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { systemClock } from "../../src/platform/clock.ts";
import { openKafkaConsumers } from "../../src/usage/kafka/consumers.ts";
import { MemoryWarehouse } from "../fakes/memory-warehouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "../setup/kafka.ts";
import { createKafkaHome, forwarded, openGateway } from "./kafka-home.ts";
import { measureHonesty } from "./kafka-honesty.ts";
import { sampleEvent } from "./sample-events.ts";

await describeWith("Kafka whose leaders are killed under load", kafkaTool, () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 3 });
  }, 90_000);
  afterAll(() => cluster.stop());

  it.each([1, 4, 16])(
    "has everything that it acknowledged, %i requests at once",
    async (many) => {
      const honesty = await measureHonesty(cluster, many, 3_000);
      process.stdout.write(`honesty  ${JSON.stringify(honesty)}\n`);
      expect(honesty.falselyAcknowledged).toBe(0);
      expect(honesty.beforeKill).toBeGreaterThan(1_000);
      expect(honesty.acknowledged).toBeGreaterThan(honesty.beforeKill);
    },
    90_000,
  );

  it.each(["killed", "frozen"] as const)(
    "carries all events to the warehouse with one of three brokers %s",
    async (fault) => {
      const home = await createKafkaHome(cluster, { partitions: 6 });
      const gateway = await openGateway(home, { durability: "fsync" });
      const warehouse = new MemoryWarehouse();
      const troubles: string[] = [];
      const consumers = openKafkaConsumers({
        ...{ ...home, warehouse, clock: systemClock, deliver: async () => undefined },
        onTrouble: (message) => troubles.push(message),
      });
      onTestFinished(() => consumers.close());
      const record = () =>
        Array.from({ length: 2_000 }, (_, at) => sampleEvent({ accountId: `account-${at % 30}` }));
      const arrived = async (events: number) =>
        expect(Number((await warehouse.rows()).effective), troubles.join()).toBe(events);
      await Promise.all(record().map((event) => gateway.log.append(event)));
      await vi.waitFor(() => arrived(2_000), 30_000);
      const [broker] = cluster.brokers;
      if (fault === "killed") await broker?.kill();
      else broker?.pause();
      await Promise.all(record().map((event) => gateway.log.append(event)));
      const start = performance.now();
      await forwarded(gateway, 60_000);
      await vi.waitFor(() => arrived(4_000), { timeout: 60_000, interval: 50 });
      process.stdout.write(`broker ${fault}: all in ${Math.round(performance.now() - start)} ms\n`);
      if (fault === "killed") await broker?.restart();
      else broker?.resume();
      await gateway.log.close();
    },
    150_000,
  );
});
