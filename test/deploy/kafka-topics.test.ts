import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ensureDirectoryTopic } from "../../src/directory/kafka.ts";
import { ensureUsageTopics } from "../../src/usage/kafka/topics.ts";
import { describeWith } from "../setup/describe-with.ts";
import { type KafkaCluster, kafkaTool, startKafka } from "../setup/kafka.ts";
import { run } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";

await describeWith("deploy/kafka/topics.sh", kafkaTool, ({ command, args }) => {
  let cluster: KafkaCluster;
  let folder = "";
  let kafkaTopics = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "optamil-topics-"));
    // What Kafka's own kafka-topics.sh does.
    kafkaTopics = join(folder, "kafka-topics.sh");
    const words = [command, ...args, "org.apache.kafka.tools.TopicCommand"];
    const quoted = words.map((word) => `'${word}'`).join(" ");
    await writeFile(kafkaTopics, `#!/bin/sh\nexec ${quoted} "$@"\n`);
    await chmod(kafkaTopics, 0o755);
    cluster = await startKafka({ brokers: 3 });
  }, 60_000);
  afterAll(async () => {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const makeTopics = (env: Record<string, string>) =>
    run(join(projectRoot, "deploy/kafka/topics.sh"), [], {
      ...{ env: { BOOTSTRAP: cluster.bootstrap.join(","), KAFKA_TOPICS: kafkaTopics, ...env } },
      timeoutMs: 90_000,
    });

  it("makes topics with which the program finds no fault, and leaves those that are there alone", async () => {
    for (const partitions of ["12", "13"]) {
      const made = await makeTopics({ PARTITIONS: partitions });
      expect(made.code, made.stderr).toBe(0);
    }
    const connection = { brokers: cluster.bootstrap, clientId: "test" };
    const findings = [
      ...(await ensureUsageTopics(connection, { partitions: 12 })),
      await ensureDirectoryTopic(connection),
    ];
    const found = (topic: string) => ({ topic, made: false, differences: [] });
    expect(findings).toEqual([
      found("optamil.meta.v1"),
      found("optamil.usage.dlq.v1"),
      found("optamil.usage.v1"),
      found("optamil.directory.v1"),
    ]);
  }, 200_000);
});
