/** The consumer's process as main.ts makes it, on folders that are given; dies of an account that is named. */
import { parseArgs } from "node:util";
import { systemClock } from "../../src/platform/clock.ts";
import { openChdbWarehouse } from "../../src/usage/chdb.ts";
import { type ChildPort, runConsumerChild } from "../../src/usage/child.ts";
import { openLmdbUsageLogReader } from "../../src/usage/lmdb-reader.ts";
import { openLmdbConsumerStore } from "../../src/usage/lmdb-store.ts";
import type { EventBatch } from "../../src/usage/warehouse.ts";

const { values } = parseArgs({
  options: {
    folder: { type: "string", default: "" },
    /** Account whose events end the process. */
    deadly: { type: "string" },
  },
});

const port: ChildPort = {
  send: (message) => process.connected && process.send?.(message),
  onMessage: (listener) => process.on("message", listener),
  onClose: (listener) => process.once("disconnect", listener),
};

async function openParts() {
  const warehouse = await openChdbWarehouse(`${values.folder}/warehouse`);
  const insert = warehouse.insert.bind(warehouse);
  warehouse.insert = (batch: EventBatch) => {
    if (batch.events.some(({ event }) => event.accountId === values.deadly)) process.exit(1);
    return insert(batch);
  };
  return {
    log: openLmdbUsageLogReader(`${values.folder}/log`),
    store: openLmdbConsumerStore(`${values.folder}/consumer`, "write"),
    warehouse,
  };
}

await runConsumerChild(port, openParts, { clock: systemClock, idleMs: 20 });
process.exit(0);
