#!/bin/sh
# The topics of a fleet as 'optamil migrate' makes them, for clusters where it may not; written by 'npm run generate'. Those that
# are there stay as they are. 'optamil migrate' is run all the same: it says in what one differs, and writes when it was made.
#   BOOTSTRAP=kafka:9092 deploy/kafka/topics.sh
# PARTITIONS (24) of the usage topic and REPLICATION (3) as in kafka.partitions and kafka.replicationFactor of the configuration;
# COMMAND_CONFIG names a file of client properties, KAFKA_TOPICS Kafka's program (kafka-topics.sh).
set -eu
partitions="${PARTITIONS:-24}"
replication="${REPLICATION:-3}"
in_sync=1
[ "$replication" -lt 3 ] || in_sync=2

topic() {
  name="$1" count="$2"
  shift 2
  "${KAFKA_TOPICS:-kafka-topics.sh}" --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \
    --create --if-not-exists --topic "$name" --partitions "$count" --replication-factor "$replication" "$@"
}

topic optamil.meta.v1 1 \
  --config min.insync.replicas="$in_sync" \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=16777216 \
  --config cleanup.policy=compact

topic optamil.usage.dlq.v1 1 \
  --config min.insync.replicas="$in_sync" \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=16777216 \
  --config cleanup.policy=delete \
  --config retention.ms=7776000000

topic optamil.usage.v1 "$partitions" \
  --config min.insync.replicas="$in_sync" \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=16777216 \
  --config cleanup.policy=delete \
  --config retention.ms=1209600000

topic optamil.directory.v1 1 \
  --config min.insync.replicas="$in_sync" \
  --config unclean.leader.election.enable=false \
  --config max.message.bytes=16777216 \
  --config cleanup.policy=delete \
  --config retention.ms=-1 \
  --config retention.bytes=-1
