/** One broker of a test's cluster, with the faults that a test can give it. */
import assert from "node:assert/strict";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BrokerSettings, kafkaSettings } from "./kafka-settings.ts";
import { type RunningProcess, run, startProcess } from "./process.ts";

/** A broker. */
export interface KafkaBroker {
  readonly id: number;
  /** Where clients reach it, "127.0.0.1:20123"; stays the same over restarts. */
  readonly address: string;
  /** Of its newest process. */
  readonly pid: number;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** SIGTERM: it hands its partitions over first. SIGKILL after 20 s. */
  stop(): Promise<void>;
  /** SIGSTOP: its connections stay open and nobody answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Starts a killed or stopped broker on its data; resolves when it serves. */
  restart(): Promise<void>;
  /** Removes the data of a killed or stopped broker. */
  wipe(): Promise<void>;
}

/** A program that runs Kafka: a command, and the arguments before the class. */
export interface KafkaCommand {
  command: string;
  args: readonly string[];
}

/** A broker on a busy machine of two cores took 60 s. */
const startTimeoutMs = 90_000;
const stopTimeoutMs = 20_000;

/** The broker writes on stdout that it is ready and what is wrong, and nothing else. */
const logging = [
  // Its figures would lie in a folder for all users, and stay there when it is killed.
  "-XX:-UsePerfData",
  "-Dorg.slf4j.simpleLogger.logFile=System.out",
  "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
  "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
];

/** Formats the storage of a broker below a folder and gives the broker, which does not run yet. */
export async function createBroker(
  kafka: KafkaCommand,
  folder: string,
  clusterId: string,
  settings: Omit<BrokerSettings, "dataFolder">,
): Promise<KafkaBroker> {
  const dataFolder = join(folder, `data-${settings.id}`);
  const file = join(folder, `broker-${settings.id}.properties`);
  await writeFile(file, kafkaSettings({ ...settings, dataFolder }));
  let running: RunningProcess | undefined;

  async function format(): Promise<void> {
    await mkdir(dataFolder);
    const args = ["kafka.tools.StorageTool", "format", "-t", clusterId, "-c", file];
    const done = await run(kafka.command, [...kafka.args, ...args], { timeoutMs: startTimeoutMs });
    assert(done.code === 0, `a broker's storage cannot be formatted: ${done.stderr}${done.stdout}`);
  }

  await format();
  return {
    id: settings.id,
    address: `127.0.0.1:${settings.proxied?.clientPort ?? settings.port}`,
    get pid() {
      return running?.pid ?? -1;
    },
    kill: async () => void (await running?.kill()),
    stop: async () => void (await running?.stop(stopTimeoutMs)),
    pause: () => void running?.kill("SIGSTOP"),
    resume: () => void running?.kill("SIGCONT"),
    async restart() {
      running = await startProcess(
        kafka.command,
        [...logging, ...kafka.args, "kafka.Kafka", file],
        { readyLine: /Kafka Server started/, readyTimeoutMs: startTimeoutMs },
      );
    },
    async wipe() {
      await rm(dataFolder, { recursive: true });
      await format();
    },
  };
}
