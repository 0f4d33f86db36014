/**
 * A whole fleet on this machine, without containers, to try one out: `node deploy/fleet/start.ts [--supervise]`.
 * Three Kafka brokers, ClickHouse, Redis, three gateways, two consumers and nginx in front, on loopback; all that it
 * made ends and is removed with it. What the machine does not have is fetched as the tests fetch it.
 */
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { fetchClickHouse } from "../../test/setup/clickhouse.ts";
import { startKafka } from "../../test/setup/kafka.ts";
import { onEndingSignal, stopAllProcesses } from "../../test/setup/process.ts";
import { startRedis } from "../../test/setup/redis.ts";
import { buildConsole, consoleIsFresh } from "../console.ts";
import { type Fleet, openFleet, type Services } from "./fleet.ts";
import { partsOf, watchParts } from "./parts.ts";
import { startProxy } from "./proxy.ts";

const usage = `Usage: node deploy/fleet/start.ts [--supervise] [--port 8080] [--gateways 3] [--consumers 2] [--brokers 3]

  --supervise   start again what has died
  --port        REST, Connect, gRPC-Web and the console; gRPC is on the next port
  --brokers     1 or 3

OPTAMIL_CONFIG names a configuration whose kafka, clickhouse and redis this takes the place of; provider keys are
taken from the environment. SIGINT and SIGTERM end everything in good order.`;

type Options = {
  readonly supervise: boolean;
  readonly port: number;
  readonly gateways: number;
  readonly consumers: number;
  readonly brokers: 1 | 3;
};

const portMax = 65_534;
const processesMax = 16;

function readOptions(words: readonly string[]): Options | undefined {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    args: [...words],
    options: {
      help: { type: "boolean", default: false },
      supervise: { type: "boolean", default: false },
      port: text("8080"),
      gateways: text("3"),
      consumers: text("2"),
      brokers: text("3"),
    },
  });
  if (values.help) return undefined;
  const brokers = numberOf("brokers", values.brokers, 3);
  if (brokers === 2) throw new Error("--brokers: 1 or 3");
  return {
    supervise: values.supervise,
    port: numberOf("port", values.port, portMax),
    gateways: numberOf("gateways", values.gateways, processesMax),
    consumers: numberOf("consumers", values.consumers, processesMax),
    brokers: brokers === 1 ? 1 : 3,
  };
}

function numberOf(name: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`--${name}: a whole number from 1 to ${max}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** What the file that OPTAMIL_CONFIG names says. */
async function readConfig(): Promise<object> {
  const file = process.env["OPTAMIL_CONFIG"];
  return file === undefined ? {} : { ...parse(await readFile(file, "utf8")) };
}

/** What has to be undone, the newest first. */
const undo: (() => Promise<unknown>)[] = [];

async function end(): Promise<void> {
  for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
}

/** Kafka, ClickHouse and Redis. */
async function startServices(brokers: 1 | 3): Promise<Services> {
  say("Starting Kafka, ClickHouse and Redis… (what this machine does not have is fetched first)");
  const startClickHouse = await fetchClickHouse();
  const [kafka, clickhouse, redis] = await Promise.all([
    startKafka({ brokers }),
    startClickHouse(),
    startRedis({ appendOnly: true }),
  ]);
  undo.push(() => Promise.all([kafka.stop(), clickhouse.stop(), redis.stop()]));
  return { kafka, clickhouse, redis };
}

async function startFront(fleet: Fleet, folder: string, port: number, logFile: string) {
  const gatewayPorts = fleet.replicas.map((replica) => replica.port);
  const listen = [`127.0.0.1:${port}`, `127.0.0.1:${port + 1} http2`];
  const start = async () => {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    return startProxy({ folder, gatewayPorts, listen, logFile });
  };
  const proxy = { start, process: await start(), port };
  undo.push(() => proxy.process.stop());
  return proxy;
}

async function start({ port, gateways, consumers, brokers, supervise }: Options): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "optamil-fleet-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  undo.push(stopAllProcesses);
  // The services make their folders where temporary files are: there they are removed with the rest.
  process.env["TMPDIR"] = folder;
  const logs = join(folder, "logs");
  await mkdir(logs);
  if (!(await consoleIsFresh())) {
    say("Building the web console…");
    await buildConsole();
  }
  const services = await startServices(brokers);
  say("Making topics, tables and the first account…");
  const fleet = await openFleet({ services, folder, logs, config: await readConfig() });
  undo.push(() => fleet.stop());
  say(`Starting consumers (${consumers}), gateways (${gateways}) and nginx…`);
  await Promise.all([fleet.addConsumers(consumers), fleet.addReplicas(gateways)]);
  const proxy = await startFront(fleet, join(folder, "proxy"), port, join(logs, "nginx.log"));
  const parts = partsOf(fleet, proxy);
  undo.push(watchParts(parts, { supervise, say }));
  for (const { name, address, look } of parts) {
    say(`  ${name.padEnd(12)} ${address.padEnd(28)} ${await look()}`);
  }
  const env = Object.entries(fleet.commandEnv())
    .filter(([name, value]) => value !== undefined && name !== "OPTAMIL_API_KEY")
    .map(([name, value]) => `${name}=${value}`);
  say(`
Base URL    http://127.0.0.1:${port}/v1
gRPC        127.0.0.1:${port + 1}, HTTP/2 in cleartext
Console     http://127.0.0.1:${port}/
First key   ${fleet.key}
Logs        ${logs}
Commands    env ${env.join(" ")} npm run --silent optamil -- doctor

Ctrl-C ends everything and removes it.`);
}

/** Ends once, however often it is asked to; what was being started meanwhile ends with this process. */
let ending = false;
function endOnce(code: number): void {
  if (ending) return;
  ending = true;
  say("Ending…");
  end().then(
    () => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`${error}\n`);
      process.exit(1);
    },
  );
}

onEndingSignal(() => endOnce(0));
try {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) say(usage);
  else await start(options);
} catch (error) {
  // What is undone under its hands fails a start that was still running.
  if (!ending) process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  endOnce(1);
}
