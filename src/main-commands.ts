// Part of the composition root: the commands of a fleet that open no gateway.
import type { DeadLetterOperations, Migration } from "./cli/command.ts";
import { untilStopped } from "./main-process.ts";
import { measureFleetConsumer, openOperatorPort } from "./main-telemetry.ts";
import type { FleetSettings } from "./platform/fleet-settings.ts";
import { openLog } from "./platform/log.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
} from "./platform/settings.ts";

/** What the replicas share. Throws SettingsError if the configuration names no fleet. */
function fleetOf({ fleet }: Settings): FleetSettings {
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

/**
 * The settings of a command that works on a fleet as one of its gateways would, and is none: what it writes has the
 * command's name, unless the environment has another one. Throws SettingsError if the configuration names no fleet.
 */
export function loadFleetSettings(
  environment: Environment,
  command: string,
): { readonly settings: Settings; readonly fleet: FleetSettings } {
  const name = environment["OPTAMIL_GATEWAY_ID"] || command;
  const settings = loadSettings({ ...environment, OPTAMIL_GATEWAY_ID: name });
  return { settings, fleet: fleetOf(settings) };
}

/** Makes what a fleet needs before its first replica. */
export async function migrate(environment: Environment): Promise<Migration> {
  const { settings, fleet } = loadFleetSettings(environment, "migrate");
  const { bootstrapFleet, migrateFleet } = await import("./main-fleet.ts");
  const made = await migrateFleet(fleet);
  const accounts = await bootstrapFleet(settings, fleet);
  return {
    done: [...made.done, ...accounts.done],
    differences: [...made.differences, ...accounts.differences],
  };
}

/** A fleet's records that no warehouse can take. */
export async function openDeadLetters(environment: Environment): Promise<DeadLetterOperations> {
  const fleet = fleetOf(loadSettings(environment));
  const { openFleetDeadLetters } = await import("./main-fleet.ts");
  return openFleetDeadLetters(fleet);
}
