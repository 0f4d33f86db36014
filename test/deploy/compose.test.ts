import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadSettings } from "../../src/platform/settings.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { envoyTool } from "../setup/envoy.ts";
import { run } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";

const folder = join(projectRoot, "deploy/compose");
const composeFile = join(folder, "compose.yaml");

interface Service {
  image: string;
  user?: string;
  restart?: string;
  stop_grace_period?: string;
  read_only?: boolean;
  command?: string[];
  environment?: Record<string, string>;
  volumes?: string[];
}
const merged = parse(await readFile(composeFile, "utf8"), { merge: true });
const services: [string, Service][] = Object.entries(merged.services);
const own = services.filter(([, { image }]) => image === "optamil");

describe("the fleet in containers", () => {
  it("has all parts of a fleet, each started again when it ends", () => {
    const parts = ["kafka", "clickhouse", "redis", "migrate", "gateway-1", "gateway-2"];
    const others = ["consumer-1", "consumer-2", "proxy", "prometheus", "grafana", "otel-collector"];
    expect(services.map(([name]) => name).toSorted()).toEqual([...parts, ...others].toSorted());
    const restarts = services.map(([name, { restart }]) => [name, restart]);
    const wanted = services.map(([name]) => [
      name,
      name === "migrate" ? "on-failure" : "unless-stopped",
    ]);
    expect(restarts).toEqual(wanted);
  });

  it("kills a gateway no sooner than ten seconds after its drain must have ended", () => {
    const { limits } = loadSettings({
      OPTAMIL_CONFIG: join(folder, "optamil.yaml"),
      OPTAMIL_GATEWAY_ID: "gateway-1",
    });
    const neededMs = limits.drainDelayMs + limits.drainTimeoutMs + 10_000;
    for (const [name, { stop_grace_period: period = "" }] of own) {
      if (name === "migrate") continue;
      expect(Number(/^(\d+)s$/.exec(period)?.[1]) * 1_000).toBeGreaterThanOrEqual(neededMs);
    }
  });

  it("has two gateways and two consumers, each under a name of its own, and one migration", () => {
    const names = own.map(([, { environment }]) => environment?.["OPTAMIL_GATEWAY_ID"]);
    expect(names.toSorted()).toEqual([
      "consumer-1",
      "consumer-2",
      "gateway-1",
      "gateway-2",
      "migrate",
    ]);
  });

  it("writes to no root file system of ours", () => {
    expect(own.map(([, service]) => service.read_only)).toEqual(own.map(() => true));
  });

  it("has a configuration that a gateway takes", () => {
    const settings = loadSettings({
      OPTAMIL_CONFIG: join(folder, "optamil.yaml"),
      OPTAMIL_GATEWAY_ID: "gateway-1",
    });
    expect(settings.fleet?.kafka.brokers).toEqual(["kafka:9092"]);
    expect(settings.metrics).toEqual({ host: "0.0.0.0", port: 9464 });
  });

  it("mounts only files that are there", () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes.map((one) => one.split(":")));
    const files = mounts.flatMap(([from = ""]) => (from.startsWith(".") ? [from] : []));
    expect(files.length).toBeGreaterThan(8);
    expect(files.filter((file) => !existsSync(join(folder, file)))).toEqual([]);
  });

  it("names the version of every image of others", () => {
    const images = services.map(([, { image }]) => image).filter((image) => image !== "optamil");
    expect(images.filter((image) => !/:v?\d+(\.\d+)*$/.test(image))).toEqual([]);
  });
});

await describeWith(
  "docker-compose",
  () => debianTool("docker-compose"),
  (compose) => {
    it("takes the file, and finds all services in it", async () => {
      const checked = await run(compose, ["-f", composeFile, "config", "--services"]);
      expect(checked.code, checked.stderr).toBe(0);
      const found = checked.stdout.trim().split("\n").toSorted();
      expect(found).toEqual(services.map(([name]) => name).toSorted());
    });
  },
);

await describeWith(
  "promtool",
  () => debianTool("promtool"),
  (promtool) => {
    it("takes the configuration of Prometheus", async () => {
      const file = join(folder, "prometheus.yaml");
      const checked = await run(promtool, ["check", "config", "--syntax-only", file]);
      expect(checked.code, checked.stderr).toBe(0);
    });
  },
);

await describeWith("envoy", envoyTool, (envoy) => {
  it("takes the configuration of the proxy", async () => {
    const checked = await run(envoy, ["--mode", "validate", "-c", join(folder, "envoy.yaml")]);
    expect(checked.code, checked.stderr).toBe(0);
  });
});
