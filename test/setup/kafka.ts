/** Real Apache Kafka for tests: one or three brokers (KRaft) on ports of the loopback interface. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cached } from "./cache.ts";
import { findPorts } from "./find-ports.ts";
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

/** Settings of a cluster. */
export interface KafkaOptions {
  brokers: 1 | 3;
  /** Puts a proxy at a port before an address: clients reach each broker through one. Default: none. */
  proxy?: ((upstream: string, listenPort: number) => Promise<unknown>) | undefined;
}

/** Starts a cluster; resolves when all brokers serve. Its processes end with the test file at the latest. */
export async function startKafka(options: KafkaOptions): Promise<KafkaCluster> {
  const tool = await kafkaTool();
  return startCluster(tool, options.brokers, options.proxy);
}

const archiveName = "kafka.jsa";

/** A broker that is started and stopped once writes the archive at its end. */
async function archiveClasses({ java, args }: KafkaJars, path: string): Promise<void> {
  const archive = [`-XX:ArchiveClassesAtExit=${path}`, "-Xlog:disable"];
  const cluster = await startCluster({ command: java, args: [...archive, ...args] }, 1);
  await cluster.brokers[0]?.stop();
  await cluster.stop();
}

async function startCluster(
  kafka: KafkaCommand,
  count: number,
  proxy?: KafkaOptions["proxy"],
): Promise<KafkaCluster> {
  const folder = await mkdtemp(join(tmpdir(), "optamil-kafka-"));
  const ports = await findPorts(4 * count);
  // A Kafka UUID: 16 bytes in base64url, which must not begin with a dash.
  const clusterId = `A${randomBytes(16).toString("base64url").slice(1)}`;
  const controllerPorts = ports.slice(count, 2 * count);
  const brokers = await Promise.all(
    ports.slice(0, count).map(async (port, index) => {
      const [clientPort = 0, brokerPort = 0] = ports.slice(2 * (count + index));
      await proxy?.(`127.0.0.1:${port}`, clientPort);
      const own = { id: index + 1, port, proxied: proxy && { clientPort, brokerPort } };
      return createBroker(kafka, folder, clusterId, { ...own, controllerPorts });
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
