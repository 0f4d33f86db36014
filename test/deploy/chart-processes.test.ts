import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { providerPresets } from "../../src/catalogue/presets.ts";
import { openSigningKeys } from "../../src/keys/signing-keys.ts";
import { type ClickHouseServer, fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goTool } from "../setup/go-tool.ts";
import { type KafkaCluster, startKafka } from "../setup/kafka.ts";
import { run, startProcess } from "../setup/process.ts";
import { type RedisServer, startRedis } from "../setup/redis.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import { type Manifest, parseManifests, placePod, render } from "./chart.ts";

const tools = async () => ({
  helm: await goTool("helm"),
  startClickHouse: await fetchClickHouse(),
});

/** What the machine has set must not be seen. */
const clean = Object.fromEntries(
  [...providerPresets.map(({ apiKeyEnv }) => apiKeyEnv), "OPTAMIL_API_KEY"].map((name) => [
    name,
    undefined,
  ]),
);

await describeWith("the chart's containers, as processes", tools, ({ helm, startClickHouse }) => {
  let scratch = "";
  let services: [KafkaCluster, ClickHouseServer, RedisServer];
  let manifests: readonly Manifest[];

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), "optamil-chart-"));
    services = await Promise.all([startKafka({ brokers: 1 }), startClickHouse(), startRedis()]);
    const [kafka, clickhouse, redis] = services;
    const keyFile = join(scratch, "made/signing-keys");
    await openSigningKeys(keyFile);
    const config = {
      kafka: { brokers: kafka.bootstrap, partitions: 2, replicationFactor: 1 },
      clickhouse: { url: clickhouse.url },
      redis: { url: redis.url },
      limits: { drainDelayMs: 0 },
    };
    const value = await readFile(keyFile, "utf8");
    const values = { config, signingKeys: { value }, listenAddress: "127.0.0.1" };
    const set = Object.entries(values).flatMap(([name, one]) => [
      "--set-json",
      `${name}=${JSON.stringify(one)}`,
    ]);
    manifests = parseManifests(await render(helm, set));
  }, 120_000);
  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop()));
    await rm(scratch, { recursive: true, force: true });
  });

  /** What the container of a part is called with, on ports of its own. */
  const place = async (part: string) => {
    const placed = await placePod(manifests, part, join(scratch, part));
    const [port, metricsPort] = [await freePort(), await freePort()];
    const own = { PORT: String(port), OPTAMIL_METRICS_PORT: String(metricsPort) };
    const env = { ...clean, ...placed.environment, ...own };
    return { ...placed, ...runtimeCommand("src/main.ts", placed.args), env, port, metricsPort };
  };

  const start = async (part: string) => {
    const { command, args, env, pod, port, metricsPort } = await place(part);
    const process = await startProcess(command, args, { env });
    const [{ startupProbe, readinessProbe }] = pod.containers;
    for (const probe of [startupProbe, readinessProbe]) {
      expect(probe?.httpGet.port).toBe("metrics");
      await vi.waitFor(async () => {
        const answer = await fetch(`http://127.0.0.1:${metricsPort}${probe?.httpGet.path}`);
        expect(answer.status).toBe(200);
      }, 60_000);
    }
    return { process, url: `http://127.0.0.1:${port}` };
  };

  it("migrate, answer probes, carry an answer to ClickHouse, and end in good order", async () => {
    const { command, args, env } = await place("migrate");
    const migrated = await run(command, args, { env, timeoutMs: 120_000 });
    expect(migrated.code, migrated.stderr).toBe(0);
    const key = /^first key: (\S+)/m.exec(migrated.stdout)?.[1] ?? "";

    const [gateway, consumer] = await Promise.all([start("gateway"), start("consumer")]);
    const answer = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hello" }] }),
    });
    expect(answer.status).toBe(200);
    await answer.text();
    const [, clickhouse] = services;
    const count = async () => {
      const body = "SELECT count(), any(gateway_id) FROM optamil.usage FORMAT TSV";
      return (await fetch(clickhouse.url, { method: "POST", body })).text();
    };
    await expect.poll(count, { timeout: 30_000 }).toBe("1\tprod-gateway-0\n");
    const ended = await Promise.all([gateway.process.stop(), consumer.process.stop()]);
    expect(ended).toEqual(ended.map(() => ({ code: 0, signal: null })));
  }, 240_000);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
