/** What the process runs with when the file and the environment say little. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { loadSettings } from "../../src/platform/settings.ts";

function settingsOf(config: object, environment: Record<string, string> = {}) {
  const folder = mkdtempSync(join(tmpdir(), "optamil-settings-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "optamil.json");
  writeFileSync(file, JSON.stringify(config));
  return loadSettings({ ...environment, OPTAMIL_CONFIG: file });
}

it.each<[string, object, Record<string, string>, string]>([
  ["open on the default host", {}, {}, "open"],
  ["open on localhost", { host: "localhost" }, {}, "open"],
  ["open on IPv6's loopback", { host: "::1" }, {}, "open"],
  ["open on any address of 127/8", { host: "127.1.2.3" }, {}, "open"],
  ["closed where everybody can come", { host: "0.0.0.0" }, {}, "closed"],
  ["closed where the environment opens the host", {}, { HOST: "0.0.0.0" }, "closed"],
  ["closed on a name that only looks local", { host: "127.0.0.1.example.org" }, {}, "closed"],
  ["open where the file says so", { host: "0.0.0.0", signUp: "open" }, {}, "open"],
  ["closed where the file says so", { signUp: "closed" }, {}, "closed"],
])("sign-up is %s", (_name, config, environment, expected) => {
  expect(settingsOf(config, environment).signUp).toBe(expected);
});

it("durability is fsync unless the file says otherwise", () => {
  expect(settingsOf({}).durability).toBe("fsync");
  expect(settingsOf({ durability: "fsync" }).durability).toBe("fsync");
});

it("durability write is refused in a line that says so", () => {
  expect(() => settingsOf({ durability: "write" })).toThrow(
    "durability: 'write' is not there yet; there is 'fsync'",
  );
});

it.each([{ durability: "maybe" }, { signUp: "sometimes" }])(
  "an unknown word is refused",
  (config) => {
    expect(() => settingsOf(config)).toThrow("Invalid '");
  },
);

const fleet = {
  gatewayId: "gateway-1",
  kafka: { brokers: ["127.0.0.1:9092"] },
  clickhouse: { url: "http://127.0.0.1:8123" },
  redis: { url: "redis://127.0.0.1:6379" },
};

it("without Kafka, ClickHouse and Redis there is no fleet, and the gateway has a name all the same", () => {
  expect(settingsOf({})).toMatchObject({ fleet: undefined, gatewayId: "gateway-0" });
});

it("a fleet has defaults for all but the addresses", () => {
  expect(settingsOf(fleet).fleet).toEqual({
    kafka: {
      brokers: ["127.0.0.1:9092"],
      tls: false,
      sasl: undefined,
      partitions: 24,
      replicationFactor: 3,
    },
    clickhouse: {
      url: "http://127.0.0.1:8123",
      username: "default",
      password: "",
      cluster: undefined,
    },
    redis: { url: "redis://127.0.0.1:6379", password: undefined },
  });
  expect(settingsOf({ ...fleet, durability: "quorum" }).durability).toBe("quorum");
});

it("passwords of a fleet come from the environment", () => {
  const sasl = { mechanism: "scram-sha-512", username: "optamil", passwordEnv: "KAFKA_PASSWORD" };
  const config = {
    ...fleet,
    kafka: { ...fleet.kafka, sasl },
    redis: { ...fleet.redis, passwordEnv: "REDIS_PASSWORD" },
  };
  const found = settingsOf(config, { KAFKA_PASSWORD: "k", REDIS_PASSWORD: "r" }).fleet;
  expect(found?.kafka.sasl).toEqual({
    mechanism: "scram-sha-512",
    username: "optamil",
    password: "k",
  });
  expect(found?.redis.password).toBe("r");
});

it.each<[string, object, RegExp]>([
  [
    "only a part of a fleet",
    { ...fleet, redis: undefined },
    /^redis: missing; a fleet needs kafka/,
  ],
  ["no broker", { ...fleet, kafka: {} }, /brokers/],
  ["a broker without a port", { ...fleet, kafka: { brokers: ["host"] } }, /brokers/],
  ["no name for the replica", { ...fleet, gatewayId: undefined }, /^gatewayId: name this replica/],
  ["a Redis that is none", { ...fleet, redis: { url: "http://127.0.0.1" } }, /redis\.url/],
  [
    "a password that is not there",
    { ...fleet, clickhouse: { ...fleet.clickhouse, passwordEnv: "NOT_SET" } },
    /^clickhouse\.passwordEnv: the variable NOT_SET is not set/,
  ],
  ["quorum without Kafka", { durability: "quorum" }, /^durability: 'quorum' needs kafka/],
])("a configuration with %s is refused with the path of its mistake", (_name, config, message) => {
  expect(() => settingsOf(config)).toThrow(message);
});
