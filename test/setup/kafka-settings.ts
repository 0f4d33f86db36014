/** The settings of one broker of a small, quick cluster, as its properties file says them. */

/** What differs between brokers and clusters. */
export interface BrokerSettings {
  id: number;
  port: number;
  /** Where clients reach it through a proxy, and a port on which the brokers reach each other without. Default: none. */
  proxied?: { clientPort: number; brokerPort: number } | undefined;
  /** Where the broker keeps everything. */
  dataFolder: string;
  /** Ports of the controllers of all brokers, in the order of their ids from 1. */
  controllerPorts: readonly number[];
}

/**
 * The text of the file. Each broker is a controller too (KRaft). Internal topics are small, and failures
 * are noticed in 3 s where the defaults take 9 s.
 */
export function kafkaSettings(settings: BrokerSettings): string {
  const lines = Object.entries({
    ...ownSettings(settings),
    ...safety(settings),
    ...small,
    ...quick,
  });
  return lines.map(([name, value]) => `${name}=${value}\n`).join("");
}

type Settings = Record<string, string | number | boolean>;

function ownSettings(settings: BrokerSettings): Settings {
  const { id, port, proxied, dataFolder, controllerPorts } = settings;
  const voters = controllerPorts.map((voter, index) => `${index + 1}@127.0.0.1:${voter}`);
  const between = proxied ? [`BETWEEN://127.0.0.1:${proxied.brokerPort}`] : [];
  const controller = `CONTROLLER://127.0.0.1:${controllerPorts[id - 1]}`;
  const advertised = `PLAINTEXT://127.0.0.1:${proxied?.clientPort ?? port}`;
  return {
    "process.roles": "broker,controller",
    "node.id": id,
    "controller.quorum.voters": voters.join(","),
    listeners: [`PLAINTEXT://127.0.0.1:${port}`, controller, ...between].join(","),
    "advertised.listeners": [advertised, ...between].join(","),
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,BETWEEN:PLAINTEXT",
    "inter.broker.listener.name": proxied ? "BETWEEN" : "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "log.dirs": dataFolder,
  };
}

function safety({ controllerPorts }: BrokerSettings): Settings {
  const replicas = controllerPorts.length;
  const inSync = replicas >= 3 ? 2 : 1;
  return {
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": replicas,
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    "unclean.leader.election.enable": false,
    "auto.create.topics.enable": false,
  };
}

const small: Settings = {
  "offsets.topic.num.partitions": 3,
  "transaction.state.log.num.partitions": 3,
  "share.coordinator.state.topic.num.partitions": 3,
  "num.network.threads": 2,
  "num.io.threads": 2,
  "background.threads": 2,
  "num.recovery.threads.per.data.dir": 1,
  "log.cleaner.dedupe.buffer.size": 2 * 1024 * 1024,
  "log.segment.bytes": 16 * 1024 * 1024,
  "log.index.size.max.bytes": 1024 * 1024,
};

const quick: Settings = {
  "group.initial.rebalance.delay.ms": 0,
  "group.min.session.timeout.ms": 1_000,
  "broker.session.timeout.ms": 3_000,
  "broker.heartbeat.interval.ms": 500,
  "controller.quorum.election.timeout.ms": 500,
  "controller.quorum.fetch.timeout.ms": 1_000,
  "controller.quorum.election.backoff.max.ms": 500,
  "replica.lag.time.max.ms": 5_000,
};
