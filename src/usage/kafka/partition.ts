// Decides in which partition an account's events lie: always the same one, so that they have one order.
import { Buffer } from "node:buffer";

/**
 * The partition of an account: that of Kafka's own default partitioner for the account id as the key
 * (murmur2, made positive, modulo the number of partitions), so that any client of Kafka finds it.
 */
export function partitionOf(accountId: string, partitions: number): number {
  return (murmur2(Buffer.from(accountId)) & 0x7fffffff) % partitions;
}

const seed = 0x9747b28c;
const multiplier = 0x5bd1e995;
const shift = 24;

/** The 32-bit hash of `org.apache.kafka.common.utils.Utils.murmur2`, signed. */
export function murmur2(bytes: Buffer): number {
  const whole = bytes.length & ~3;
  let hash = seed ^ bytes.length;
  for (let at = 0; at < whole; at += 4) {
    hash = Math.imul(hash, multiplier) ^ mix(bytes.readInt32LE(at));
  }
  const rest = bytes.length - whole;
  if (rest > 0) hash = Math.imul(hash ^ bytes.readUIntLE(whole, rest), multiplier);
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}

function mix(word: number): number {
  const product = Math.imul(word, multiplier);
  return Math.imul(product ^ (product >>> shift), multiplier);
}
