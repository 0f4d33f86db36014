/** Global set-up: three brokers for all files of the suites that run against fleets, one file after the other. */
import type { TestProject } from "vitest/node";
import { type KafkaCluster, startKafka } from "./kafka.ts";

const variable = "OPTAMIL_TEST_BROKERS";

/** Starts them if such a suite runs; gives what ends them. */
export default async function startBrokers({ vitest }: TestProject): Promise<() => Promise<void>> {
  if (!vitest.projects.some(({ name }) => name.startsWith("e2e-fleet"))) return async () => {};
  const cluster = await startKafka({ brokers: 3 });
  process.env[variable] = cluster.bootstrap.join(" ");
  return () => cluster.stop();
}

/** The brokers of this run; undefined where none were started. They outlive whoever asks. */
export function sharedBrokers(): KafkaCluster | undefined {
  const bootstrap = process.env[variable]?.split(" ");
  return bootstrap && { bootstrap, brokers: [], stop: async () => {} };
}
