import { afterAll, beforeAll } from "vitest";
import { openTopicReader } from "../../src/platform/kafka/reader.ts";
import { describeUsageLog } from "../contracts/usage-log.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "../setup/kafka.ts";
import { createDataFolder } from "./data-folder.ts";
import { createKafkaHome, forwarded, openGateway } from "./kafka-home.ts";

await describeWith("the usage log on Kafka", kafkaTool, () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafka({ brokers: 1 });
  }, 90_000);
  afterAll(() => cluster.stop());

  describeUsageLog("Kafka", async () => {
    const home = await createKafkaHome(cluster);
    const folder = createDataFolder();
    const reader = openTopicReader(home.connection, home.topics.usage);
    const away = { ...home, connection: { brokers: ["127.0.0.1:1"], clientId: "test" } };
    return {
      mayRepeat: true,
      async open({ spoolEventsMax, stuck = false } = {}) {
        const durability = stuck ? "fsync" : "quorum";
        const options = { folder, spoolEventsMax, durability } as const;
        const gateway = await openGateway(stuck ? away : home, options);
        if (!stuck) await forwarded(gateway);
        return gateway.log;
      },
      openReader: async () => reader.partition(0, 1),
      remove: () => reader.close(),
    };
  });
});
