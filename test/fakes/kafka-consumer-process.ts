/** A member of the consumers' group in a process of its own; its warehouse is the parent's. */
import { systemClock } from "../../src/platform/clock.ts";
import { openKafkaConsumers } from "../../src/usage/kafka/consumers.ts";
import type { UsageTopics } from "../../src/usage/kafka/topics.ts";
import type { BaseSource, StoredLogs, Warehouse } from "../../src/usage/warehouse.ts";
import type { Asked, Told, WarehouseCall } from "./kafka-storm.ts";

const [brokers = "", topics = "{}", sessionTimeoutMs = "2000"] = process.argv.slice(2);
const names: UsageTopics = JSON.parse(topics);
const waiting = new Map<number, PromiseWithResolvers<never>>();
let asked = 0;

function ask(call: WarehouseCall, ...args: unknown[]): Promise<never> {
  const answer = Promise.withResolvers<never>();
  waiting.set(asked, answer);
  tell({ type: "ask", id: asked++, call, args });
  return answer.promise;
}

function tell(message: Told): void {
  process.send?.(message);
}

const warehouse: Warehouse & StoredLogs & BaseSource = {
  insert: (batch) => ask("insert", batch),
  sums: (accountIds, periodIds) => ask("sums", accountIds, periodIds),
  sumsAfter: (accountId, limit) => ask("sumsAfter", accountId, limit),
  bases: (asked) => ask("bases", asked),
  id: () => ask("id"),
  lastOffset: (logName, logEpoch) => ask("lastOffset", logName, logEpoch),
  close: async () => {},
};

const consumers = openKafkaConsumers({
  connection: { brokers: brokers.split(","), clientId: "storm" },
  topics: names,
  warehouse,
  clock: systemClock,
  sessionTimeoutMs: Number(sessionTimeoutMs),
  deliver: async (confirmation) => tell({ type: "delivered", confirmation }),
  onTrouble: (message) => tell({ type: "trouble", message }),
});

setInterval(() => tell({ type: "status", partitions: [...consumers.status()] }), 100);
process.on("message", (message: Asked) => {
  if (message === "leave") void consumers.close().then(() => process.exit(0));
  else waiting.get(message.id)?.resolve(message.result);
});
// Without a parent there is no warehouse.
process.on("disconnect", () => process.exit(0));
