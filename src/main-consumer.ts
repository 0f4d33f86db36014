// Part of the composition root: the process beside a gateway that is alone, which has the warehouse open. It loads nothing else.
import { mkdir } from "node:fs/promises";
import { setPriority } from "node:os";
import { join } from "node:path";
import { systemClock } from "./platform/clock.ts";
import { leaveFirstProcessor } from "./platform/processors.ts";
import { runConsumerChild } from "./usage/child.ts";
import { openLmdbUsageLogReader } from "./usage/lmdb-reader.ts";
import { openLmdbConsumerStore } from "./usage/lmdb-store.ts";

/** The folders of a gateway that is alone. */
export const folders = (dataDirectory: string) => ({
  usage: join(dataDirectory, "usage"),
  consumer: join(dataDirectory, "consumer"),
  warehouse: join(dataDirectory, "warehouse"),
  idempotency: join(dataDirectory, "idempotency"),
});

/** A third of a busy core, as the kernel weighs it: enough to keep up, and little enough not to be felt. */
const consumerNiceness = 5;

/** The consumer's process: reads the usage log of a data folder into its warehouse until the gateway is gone. */
export async function runConsumer(dataDirectory: string): Promise<void> {
  // Threads of the engine inherit it: a dashboard that asks without a pause takes what the gateway leaves.
  setPriority(consumerNiceness);
  leaveFirstProcessor();
  const paths = folders(dataDirectory);
  await mkdir(paths.warehouse, { recursive: true, mode: 0o700 });
  // Imported here alone: its engine takes 140 MB of every process that loads it, and half a second of its start.
  const { openChdbWarehouse } = await import("./usage/chdb.ts");
  await runConsumerChild(
    {
      send: (message) => process.send?.(message),
      onMessage: (listener) => process.on("message", listener),
      onClose: (listener) => process.once("disconnect", listener),
    },
    async () => ({
      log: openLmdbUsageLogReader(paths.usage),
      store: openLmdbConsumerStore(paths.consumer, "write"),
      warehouse: await openChdbWarehouse(paths.warehouse),
    }),
    { clock: systemClock },
  );
  // A statement may still be running in the engine's own threads.
  process.exit(0);
}
