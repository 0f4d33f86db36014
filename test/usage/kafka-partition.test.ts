import { Buffer } from "node:buffer";
import fc from "fast-check";
import { Partitioners } from "kafkajs";
import { describe, expect, it } from "vitest";
import { murmur2, partitionOf } from "../../src/usage/kafka/partition.ts";

describe("an account's partition", () => {
  // From UtilsTest.java of Apache Kafka.
  it.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("follows from the hash of Kafka's own clients: %s", (text, hash) => {
    expect(murmur2(Buffer.from(text))).toBe(hash);
  });

  it("is the one that Kafka's default partitioner gives to the account id as the key", () => {
    const partitioner = Partitioners.DefaultPartitioner();
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 100 }), (key, count) => {
        const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
          ...{ partitionId, partitionErrorCode: 0, leader: 1 },
          ...{ replicas: [1], isr: [1] },
        }));
        const theirs = partitioner({ topic: "t", partitionMetadata, message: { key, value: "" } });
        expect(partitionOf(key, count)).toBe(theirs);
      }),
    );
  });
});
