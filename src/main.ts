#!/usr/bin/env node
// The composition root: settings in, rooms opened, port listened on, everything closed again. Each command loads what it needs.
import { fileURLToPath } from "node:url";
import type { CommandContext, ServeOptions } from "./cli/command.ts";
import {
  hideKafkaTimerWarning,
  keepCompiledCode,
  outliveReaders,
  untilStopped,
} from "./main-process.ts";
import type { Environment } from "./platform/settings.ts";

/** This program, of which parts run in processes of their own. */
const entry = fileURLToPath(import.meta.url);

/** Serves until the process is told to stop: itself, or by workers. */
async function serve(
  environment: Environment,
  { onReady, workers = 1 }: ServeOptions,
): Promise<void> {
  // Listened for first: whoever reads the ready line may send the signal at once.
  const stopped = untilStopped();
  if (workers > 1) {
    const { serveWorkers } = await import("./main-workers.ts");
    return serveWorkers({ environment, entry, count: workers, onReady, stopped });
  }
  const { openGateway } = await import("./main-gateway.ts");
  const { loadSettings } = await import("./platform/settings.ts");
  const settings = loadSettings(environment);
  let reload = async () => {};
  // Without a file there is nothing to read anew, and a closed terminal ends the gateway as it always did.
  if (settings.configFile !== undefined) process.on("SIGHUP", () => void reload());
  const gateway = await openGateway({ settings, environment, entry, link: undefined });
  reload = () => gateway.reload();
  onReady(gateway.serving);
  await stopped;
  await gateway.close();
}

/** Runs a part of a gateway, which no person starts; returns for anything else. */
async function runPart(command = "", argument = ""): Promise<void> {
  if (command === "consumer" && argument !== "") {
    const { runConsumer } = await import("./main-consumer.ts");
    await runConsumer(argument);
  }
  if ((command === "worker" || command === "owner") && process.send !== undefined) {
    const parts = await import("./main-parts.ts");
    await parts.runPart(command, { environment: process.env, entry, workers: Number(argument) });
  }
}

const accounts = () => import("./main-accounts.ts");
const backups = () => import("./main-backup.ts");
const commands = () => import("./main-commands.ts");

if (import.meta.main) {
  keepCompiledCode();
  hideKafkaTimerWarning();
  outliveReaders();
  const words = process.argv.slice(2);
  await runPart(...words);
  const { env } = process;
  const context: CommandContext = {
    environment: env,
    print: (line) => process.stdout.write(`${line}\n`),
    warn: (line) => process.stderr.write(`${line}\n`),
    serve: (options) => serve(env, options),
    openKeys: async () => (await accounts()).openKeys(env),
    openAccounts: async () => (await accounts()).openAccountOperations(env),
    rotateSigningKeys: async (step) => (await accounts()).rotateSigningKeysOf(env, step),
    openMetering: async () => (await accounts()).openRunningMetering(env),
    migrate: async () => (await commands()).migrate(env),
    move: async (to) => (await import("./main-move.ts")).move(env, entry, to),
    consume: async (tell) => (await commands()).consumeAlone(env, tell),
    openDeadLetters: async () => (await commands()).openDeadLetters(env),
    checkConfig: async (file) => {
      const { checkConfiguration } = await import("./main-config.ts");
      return checkConfiguration({ ...env, OPTAMIL_CONFIG: file });
    },
    diagnose: async () => (await import("./main-doctor.ts")).diagnose(env),
    backUp: async (folder) => (await backups()).backUp(env, folder),
    restore: async (folder) => (await backups()).restore(env, folder, entry),
    openApi: async () => (await import("./main-doors.ts")).createServedOpenApi("/"),
  };
  const { runCommand } = await import("./cli/run.ts");
  process.exitCode = await runCommand(words, context);
}
