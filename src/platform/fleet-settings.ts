// Reads what makes a gateway a replica of a fleet: Kafka, ClickHouse and Redis, all three or none.
import type { Config, SaslConfig } from "../gen/optamil/config/v1/config_pb.ts";

/** How to sign in to Kafka (SASL). */
export type SaslSettings = {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  readonly username: string;
  readonly password: string;
};

/** The services that the replicas share, with the passwords that the environment holds. */
export type FleetSettings = {
  readonly kafka: {
    readonly brokers: readonly string[];
    readonly tls: boolean;
    readonly sasl: SaslSettings | undefined;
    readonly partitions: number;
    readonly replicationFactor: number;
  };
  readonly clickhouse: {
    readonly url: string;
    readonly username: string;
    readonly password: string;
    /** Undefined: one server. */
    readonly cluster: string | undefined;
    /** The user by whom accounts ask SQL of their own; undefined: they cannot. */
    readonly analyst: { readonly username: string; readonly password: string } | undefined;
  };
  readonly redis: { readonly url: string; readonly password: string | undefined };
};

type Variables = Readonly<Record<string, string | undefined>>;

/** The fleet of a configuration, undefined if it has none; `problems` has a line for each mistake. */
export function readFleet(
  { kafka, clickhouse, redis }: Config,
  variables: Variables,
): { readonly fleet: FleetSettings | undefined; readonly problems: readonly string[] } {
  const problems: string[] = [];
  if (kafka === undefined && clickhouse === undefined && redis === undefined) {
    return { fleet: undefined, problems };
  }
  if (kafka === undefined || clickhouse === undefined || redis === undefined) {
    const missing = Object.entries({ kafka, clickhouse, redis }).filter(([, part]) => !part);
    const names = missing.map(([name]) => name).join(", ");
    const problem = `${names}: missing; a fleet needs kafka, clickhouse and redis, one gateway none of them`;
    return { fleet: undefined, problems: [problem] };
  }
  const secret = (path: string, name: string) => {
    const value = name === "" ? "" : variables[name];
    if (value === undefined) problems.push(`${path}: the variable ${name} is not set`);
    return value ?? "";
  };
  const fleet: FleetSettings = {
    kafka: {
      brokers: kafka.brokers,
      tls: kafka.tls,
      sasl: kafka.sasl && toSasl(kafka.sasl, secret),
      partitions: kafka.partitions ?? 24,
      replicationFactor: kafka.replicationFactor ?? 3,
    },
    clickhouse: {
      url: clickhouse.url,
      username: clickhouse.username || "default",
      password: secret("clickhouse.passwordEnv", clickhouse.passwordEnv),
      cluster: clickhouse.cluster || undefined,
      analyst:
        clickhouse.analystUsername === ""
          ? undefined
          : {
              username: clickhouse.analystUsername,
              password: secret("clickhouse.analystPasswordEnv", clickhouse.analystPasswordEnv),
            },
    },
    redis: {
      url: redis.url,
      password: secret("redis.passwordEnv", redis.passwordEnv) || undefined,
    },
  };
  if (kafka.brokers.length === 0) problems.push("kafka.brokers: name one broker at least");
  return { fleet, problems };
}

function toSasl(
  { mechanism, username, passwordEnv }: SaslConfig,
  secret: (path: string, name: string) => string,
): SaslSettings | undefined {
  const password = secret("kafka.sasl.passwordEnv", passwordEnv);
  switch (mechanism) {
    case "plain":
    case "scram-sha-256":
    case "scram-sha-512":
      return { mechanism, username, password };
    default:
      // The configuration's validation lets nothing else through.
      return undefined;
  }
}
