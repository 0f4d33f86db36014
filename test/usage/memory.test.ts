import { describeUsageLog } from "../contracts/usage-log.ts";
import { describeWarehouse } from "../contracts/warehouse.ts";
import { MemoryLogDisk, MemoryLogReader, MemoryUsageLog } from "../fakes/memory-usage-log.ts";
import { MemoryWarehouse } from "../fakes/memory-warehouse.ts";

describeUsageLog("memory", async () => {
  const disk = new MemoryLogDisk();
  return {
    open: async (options) => new MemoryUsageLog(disk, options),
    openReader: async () => new MemoryLogReader(disk),
    remove: async () => undefined,
  };
});

describeWarehouse("memory", async () => {
  const warehouse = new MemoryWarehouse();
  return { open: async () => warehouse, remove: async () => undefined };
});
