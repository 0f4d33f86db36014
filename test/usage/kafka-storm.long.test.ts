import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../setup/describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "../setup/kafka.ts";
import { runStorm } from "./kafka-storm.ts";

await describeWith(
  "consumers that come and go for a minute, one frozen for half",
  kafkaTool,
  () => {
    let cluster: KafkaCluster;
    beforeAll(async () => {
      cluster = await startKafka({ brokers: 1 });
    }, 90_000);
    afterAll(() => cluster.stop());

    it("lose and double nothing, and have caught up 10 s after", async () => {
      const result = await runStorm(cluster, { seconds: 60, frozenSeconds: 30 });
      process.stdout.write(`storm  ${JSON.stringify(result)}\n`);
      expect(result).toMatchObject({ events: 15_000, wrongSums: 0 });
      expect(result.frozenPartitions).toBeGreaterThan(0);
      expect(result.settledMs).toBeLessThan(10_000);
    }, 180_000);
  },
);
