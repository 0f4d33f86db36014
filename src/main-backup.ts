// Part of the composition root: backup and restore of one machine's state.
import type { Backup, Restored } from "./cli/command.ts";
import { refuseNewerState, refuseSecondGateway } from "./main-accounts.ts";
import { version } from "./main-doors.ts";
import { copyBack, copyOut } from "./platform/data-copy.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
} from "./platform/settings.ts";
import { within } from "./platform/within.ts";
import type { Finding } from "./usage/audit.ts";
import { forkConsumer, superviseConsumer } from "./usage/supervisor.ts";

/** Copies the state of this environment, which nobody may serve meanwhile, into a folder. */
export async function backUp(environment: Environment, folder: string): Promise<Backup> {
  const { dataDirectory } = await loadAlone(environment);
  const { files } = await copyOut(dataDirectory, folder, version);
  // Who starts while it is copied changes what is copied.
  await refuseSecondGateway(dataDirectory);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return { from: dataDirectory, files: files.length, bytes };
}

/** Copies it back where nothing is yet, and audits what is there then; `entry` is the program to fork for that. */
export async function restore(
  environment: Environment,
  folder: string,
  entry: string,
): Promise<Restored> {
  const { dataDirectory } = await loadAlone(environment);
  const { madeAt } = await copyBack(folder, dataDirectory);
  await refuseNewerState(dataDirectory);
  return { to: dataDirectory, madeAt, findings: await auditAlone(dataDirectory, entry) };
}

async function loadAlone(environment: Environment): Promise<Settings> {
  const settings = loadSettings(environment);
  if (settings.fleet !== undefined) {
    throw new SettingsError([
      "backup and restore are for one machine: the state of a fleet is in Kafka and ClickHouse, which have their own",
    ]);
  }
  await refuseSecondGateway(settings.dataDirectory);
  return settings;
}

/** The audits of a data folder that nobody serves, by a consumer of its own, which first takes what is left in the log. */
async function auditAlone(dataDirectory: string, entry: string): Promise<readonly Finding[]> {
  const troubles: string[] = [];
  const consumer = superviseConsumer({
    start: () => forkConsumer(entry, ["consumer", dataDirectory]),
    deliveredOffset: () => 0,
    onConfirmed: () => {},
    onTrouble: (message) => troubles.push(message),
  });
  try {
    const isReady = consumer.whenReady().then(() => true);
    if (!(await within(readyTimeoutMs, isReady))) {
      throw new SettingsError([`the warehouse of ${dataDirectory} does not open`, ...troubles]);
    }
    return (await consumer.ask({ kind: "audit" })).findings;
  } finally {
    await consumer.stop();
  }
}

const readyTimeoutMs = 60_000;
