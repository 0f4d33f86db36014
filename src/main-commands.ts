// Part of the composition root: the commands of a fleet that open no gateway.
import type { Migration } from "./cli/command.ts";
import { measureFleetConsumer, openOperatorPort } from "./main-telemetry.ts";
import type { FleetSettings } from "./platform/fleet-settings.ts";
import { openLog } from "./platform/log.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
} from "./platform/settings.ts";

/** Resolves at SIGTERM or SIGINT; a second signal ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}

/**
 * Shows the runtime's warnings but one: kafkajs sets a timer to the past whenever nothing waits in its queue, and
 * Node 24 warns of it.
 */
export function hideKafkaTimerWarning(): void {
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => {
    if (name !== "TimeoutNegativeWarning") process.stderr.write(`${name}: ${message}\n`);
  });
}

/** What the replicas share. Throws SettingsError if the configuration names no fleet. */
export function fleetOf({ fleet }: Settings): FleetSettings {
  if (fleet !== undefined) return fleet;
  throw new SettingsError([
    "kafka, clickhouse, redis: missing in the configuration; without them everything is in 'optamil start'",
  ]);
}

/** Runs a consumer of a fleet until the process is told to stop. */
export async function consumeAlone(
  environment: Environment,
  tell: (line: string) => void,
): Promise<void> {
  const settings = loadSettings(environment);
  const fleet = fleetOf(settings);
  const { consumeFleet } = await import("./main-fleet.ts");
  const log = openLog(settings.logLevel);
  const stopped = untilStopped();
  await using resources = new AsyncDisposableStack();
  resources.defer(() => log.close());
  const config = () => ({ version: "", loadedAt: "" });
  await consumeFleet(fleet, settings.gatewayId, {
    stopped,
    log,
    onOpen: async (status) => {
      tell(`Consumer ${settings.gatewayId} is running`);
      const metrics = measureFleetConsumer(status, resources);
      const parts = { ready: () => true, config, metrics };
      await openOperatorPort(settings.metrics, parts, { resources, log });
    },
  });
}

/** Makes what a fleet needs before its first replica. */
export async function migrate(environment: Environment): Promise<Migration> {
  const name = environment["OPTAMIL_GATEWAY_ID"] || "migrate";
  const settings = loadSettings({ ...environment, OPTAMIL_GATEWAY_ID: name });
  const fleet = fleetOf(settings);
  const { bootstrapFleet, migrateFleet } = await import("./main-fleet.ts");
  const made = await migrateFleet(fleet);
  const accounts = await bootstrapFleet(settings, fleet);
  return {
    done: [...made.done, ...accounts.done],
    differences: [...made.differences, ...accounts.differences],
  };
}
