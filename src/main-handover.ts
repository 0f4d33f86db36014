// Part of the composition root: outboxes of a fleet's workers that run no more, and what they still have to say.

import { folders } from "./main-consumer.ts";
import { toKafkaConnection } from "./main-fleet.ts";
import { systemClock } from "./platform/clock.ts";
import type { FleetSettings } from "./platform/fleet-settings.ts";
import type { Log } from "./platform/log.ts";
import { openKafkaForwarder } from "./usage/kafka/forwarder.ts";
import { openLmdbUsageLog } from "./usage/lmdb.ts";

/** A worker that runs no more. */
export type LeftWorker = { readonly dataDirectory: string; readonly gatewayId: string };

const lookEveryMs = 500;

/** Sends on what their outboxes have, in the background; an outbox is closed when Kafka has all of it. */
export async function openHandOver(
  fleet: FleetSettings,
  left: readonly LeftWorker[],
  log: Log,
): Promise<{ stop(): Promise<void> }> {
  const stopping = new AbortController();
  const running = left.map(async (worker) => {
    try {
      await handOver(fleet, worker, log, stopping.signal);
    } catch (error) {
      log.error({ gateway: worker.gatewayId, error: String(error) }, "events wait in an outbox");
    }
  });
  return {
    async stop() {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

async function handOver(
  fleet: FleetSettings,
  { dataDirectory, gatewayId }: LeftWorker,
  log: Log,
  stopping: AbortSignal,
): Promise<void> {
  const outbox = await openLmdbUsageLog({
    path: folders(dataDirectory).usage,
    gatewayId,
    clock: systemClock,
    confirmed: "gone",
    onBroken: (cause) => log.error({ cause: String(cause) }, "an outbox cannot be written"),
  });
  const forwarder = openKafkaForwarder({
    connection: toKafkaConnection(fleet, gatewayId),
    outbox,
    onTrouble: (trouble) => log.warn({ trouble, gateway: gatewayId }, "usage log"),
  });
  const events = forwarder.lag;
  const { promise: done, resolve } = Promise.withResolvers<void>();
  const look = () => {
    if (forwarder.lag === 0 || stopping.aborted) resolve();
  };
  const timer = setInterval(look, lookEveryMs);
  stopping.addEventListener("abort", look);
  look();
  await done;
  clearInterval(timer);
  await forwarder.close();
  await outbox.close();
  log.info({ gateway: gatewayId, events: events - forwarder.lag }, "an outbox was handed over");
}
