import { afterAll, beforeAll, expect, it } from "vitest";
import { describeWith } from "../setup/describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "../setup/kafka.ts";
import { type Honesty, measureHonesty } from "./kafka-honesty.ts";

const runs = 20;

await describeWith("Kafka whose leaders are killed under load, 20 times", kafkaTool, () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 3 });
  }, 90_000);
  afterAll(() => cluster.stop());

  it("has everything that it acknowledged, at 1 to 16 requests at once", async () => {
    const found: Honesty[] = [];
    for (let run = 0; run < runs; run++) {
      const honesty = await measureHonesty(cluster, 1 + (run % 16), 20_000);
      process.stdout.write(`honesty  ${JSON.stringify(honesty)}\n`);
      found.push(honesty);
    }
    expect(found.map(({ falselyAcknowledged }) => falselyAcknowledged)).toEqual(found.map(() => 0));
    expect(found).toHaveLength(runs);
  }, 1_800_000);
});
