// `optamil gateway`: a replica of a fleet.
import { loadSettings, SettingsError } from "../platform/settings.ts";
import type { Command } from "./command.ts";
import { parseWorkers } from "./workers.ts";

/** Serves as one of the replicas that share Kafka, ClickHouse and Redis. */
export const gateway: Command = {
  usage: "gateway [--workers N]",
  summary: "Start a replica of a fleet; 'migrate' comes before the first one.",
  async run(words, context) {
    const workers = parseWorkers(words);
    if (loadSettings(context.environment).fleet === undefined) {
      throw new SettingsError([
        "kafka, clickhouse, redis: missing in the configuration; 'optamil start' runs without them",
      ]);
    }
    await context.serve({
      workers,
      onReady: ({ publicUrl, providers, notices }) => {
        context.print(`Replica is ready at ${publicUrl}/v1 (${providers.join(", ")})`);
        for (const notice of notices) context.print(notice);
      },
    });
    return 0;
  },
};
