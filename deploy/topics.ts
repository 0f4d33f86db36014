// The topics of a fleet as a script for Kafka's own tools, for clusters where others than Optamil make topics.
import assert from "node:assert/strict";
import { wantedDirectoryTopic } from "../src/directory/kafka.ts";
import type { WantedTopic } from "../src/platform/kafka/topic.ts";
import { wantedUsageTopics } from "../src/usage/kafka/topics.ts";

const head = `#!/bin/sh
# The topics of a fleet as 'optamil migrate' makes them, for clusters where it may not; written by 'npm run generate'. Those that
# are there stay as they are. 'optamil migrate' is run all the same: it says in what one differs, and writes when it was made.
#   BOOTSTRAP=kafka:9092 deploy/kafka/topics.sh
# PARTITIONS (24) of the usage topic and REPLICATION (3) as in kafka.partitions and kafka.replicationFactor of the configuration;
# COMMAND_CONFIG names a file of client properties, KAFKA_TOPICS Kafka's program (kafka-topics.sh).
set -eu
partitions="\${PARTITIONS:-24}"
replication="\${REPLICATION:-3}"
in_sync=1
[ "$replication" -lt 3 ] || in_sync=2

topic() {
  name="$1" count="$2"
  shift 2
  "\${KAFKA_TOPICS:-kafka-topics.sh}" --bootstrap-server "$BOOTSTRAP" \${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \\
    --create --if-not-exists --topic "$name" --partitions "$count" --replication-factor "$replication" "$@"
}
`;

/** The script. */
export function toTopicsScript(): string {
  const [usage, ...others] = wantedUsageTopics().toReversed();
  assert(usage !== undefined);
  const all = [...others.toReversed().map(toLines), toLines(usage, '"$partitions"')];
  return [head, ...all, toLines(wantedDirectoryTopic())].join("\n");
}

function toLines(
  { topic, partitions, settings }: WantedTopic,
  count: unknown = partitions,
): string {
  const written = Object.entries(settings).map(([name, value]) => {
    if (name !== "min.insync.replicas") return `--config ${name}=${value}`;
    assert(value === "2", "two of three copies");
    return `--config ${name}="$in_sync"`;
  });
  return `topic ${topic} ${typeof count === "string" ? count : partitions} \\\n  ${written.join(" \\\n  ")}\n`;
}
