/** Real Apache Kafka for tests: one or three brokers (KRaft) on ports of the loopback interface. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { createBroker, type KafkaBroker, type KafkaCommand } from "./kafka-broker.ts";
import { type KafkaJars, kafkaJars } from "./kafka-jars.ts";

/** A cluster that runs. */
export interface KafkaCluster {
  /** Addresses of all brokers. */
  readonly bootstrap: readonly string[];
  readonly brokers: readonly KafkaBroker[];
  /** Kills the brokers and removes their data. */
  stop(): Promise<void>;
}

/**
 * Java, the jars and an archive of their classes, with which a broker starts in half the time. Fetched and
 * made on first use; throws `MissingToolError`.
 */
export async function kafkaTool(): Promise<KafkaCommand> {
  const jars = await kafkaJars();
  const folder = await cached(`kafka/classes-${jars.tag}`, (temporary) =>
    archiveClasses(jars, join(temporary, archiveName)),
  );
  // The JVM does without an archive that does not fit, and says so where nobody looks.
  const archive = [`-XX:SharedArchiveFile=${join(folder, archiveName)}`, "-Xlog:disable"];
  return { command: jars.java, args: [...archive, ...jars.args] };
}

/** Starts a cluster; resolves when all brokers serve. Its processes end with the test file at the latest. */
export async function startKafka(options: { brokers: 1 | 3 }): Promise<KafkaCluster> {
  const tool = await kafkaTool();
  return startCluster(tool, options.brokers);
}

const archiveName = "kafka.jsa";

/** A broker that is started and stopped once writes the archive at its end. */
async function archiveClasses({ java, args }: KafkaJars, path: string): Promise<void> {
  const archive = [`-XX:ArchiveClassesAtExit=${path}`, "-Xlog:disable"];
  const cluster = await startCluster({ command: java, args: [...archive, ...args] }, 1);
  await cluster.brokers[0]?.stop();
  await cluster.stop();
}

async function startCluster(kafka: KafkaCommand, count: number): Promise<KafkaCluster> {
  const folder = await mkdtemp(join(tmpdir(), "optamil-kafka-"));
  const ports = await findPorts(2 * count);
  // A Kafka UUID: 16 bytes in base64url, which must not begin with a dash.
  const clusterId = `A${randomBytes(16).toString("base64url").slice(1)}`;
  const controllerPorts = ports.slice(count);
  const brokers = await Promise.all(
    ports.slice(0, count).map((port, index) => {
      return createBroker(kafka, folder, clusterId, { id: index + 1, port, controllerPorts });
    }),
  );
  await Promise.all(brokers.map((broker) => broker.restart()));
  return {
    bootstrap: brokers.map(({ address }) => address),
    brokers,
    async stop() {
      await Promise.all(brokers.map((broker) => broker.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Free ports below those that Linux gives to outgoing connections (from 32768): a broker that is down for a
 * while must find its port free when it comes back.
 */
const portMin = 20_000;
const portsRange = 12_000;
const triesMax = 100;

async function findPorts(count: number): Promise<number[]> {
  // All are held until the last one is known, so that none is given twice.
  const held: Server[] = [];
  const ports: number[] = [];
  for (let tries = 0; ports.length < count && tries < triesMax; tries++) {
    const port = portMin + Math.floor(Math.random() * portsRange);
    const server = createServer();
    server.listen(port, "127.0.0.1");
    const taken = await once(server, "listening").then(
      () => false,
      () => true,
    );
    if (taken) continue;
    held.push(server);
    ports.push(port);
  }
  await Promise.all(held.map((server) => once(server.close(), "close")));
  if (ports.length < count) throw new Error(`no ${count} free ports from ${portMin} on`);
  return ports;
}
