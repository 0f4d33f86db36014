import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  Health,
  HealthCheckResponse_ServingStatus,
} from "../../src/gen/grpc/health/v1/health_pb.ts";
import { describeWith } from "../setup/describe-with.ts";
import { envoyTool } from "../setup/envoy.ts";
import { run, startProcess } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";
import { startGateway, temporaryFolder } from "./gateway.ts";
import {
  askForStream,
  askProxy,
  freePort,
  keepsAllDoorsIntact,
  openHaltingUpstream,
  rest,
} from "./proxy.ts";

await describeWith("behind Envoy with the configuration of deploy/envoy", envoyTool, (envoy) => {
  keepsAllDoorsIntact(async (gatewayPort, port) => {
    await startEnvoy(envoy, [gatewayPort], port);
  });

  describe("while a gateway is replaced by another", () => {
    let upstream: Awaited<ReturnType<typeof openHaltingUpstream>>;
    beforeAll(async () => {
      upstream = await openHaltingUpstream();
    });
    afterAll(() => upstream.close());

    it("its stream finishes, and no request fails", async () => {
      const [port, laterPort] = [await freePort(), await freePort()];
      // As long as Envoy needs to notice, and a second more.
      const config = { ...upstream.config, limits: { drainDelayMs: 3_000 } };
      const first = await startGateway({ config });
      const admin = await startEnvoy(envoy, [first.port, laterPort], port);
      await untilHealthy(admin, first.port);
      const answer = await askForStream(port, first.key);
      expect(await answer.next()).toContain('"content":"first"');

      await startGateway({ env: { PORT: String(laterPort) } });
      await untilHealthy(admin, laterPort);
      let isStopped = false;
      const stopped = first.stop().finally(() => {
        isStopped = true;
      });
      const statuses: (number | undefined)[] = [];
      while (!isStopped) {
        const asked = await askProxy(port, "/healthz");
        statuses.push(asked.status);
        await rest(asked);
        if (statuses.length === 10) upstream.proceed();
      }
      expect(await rest(answer)).toMatch(/"content":"last"[\s\S]+data: \[DONE\]\n\n$/);
      expect(await stopped).toEqual({ code: 0, signal: null });
      expect(statuses.length).toBeGreaterThan(10);
      expect(statuses).toEqual(statuses.map(() => 200));
    });
  });

  it("the one of compose.yaml takes HTTP/1.1 and gRPC on one port without TLS", async () => {
    const gateway = await startGateway();
    const port = await freePort();
    const file = "deploy/compose/envoy.yaml";
    await untilHealthy(await startEnvoy(envoy, [gateway.port], port, file), gateway.port);
    const baseUrl = `http://127.0.0.1:${port}`;
    expect((await fetch(`${baseUrl}/readyz`)).status).toBe(200);
    const health = createClient(Health, createGrpcTransport({ baseUrl }));
    expect((await health.check({})).status).toBe(HealthCheckResponse_ServingStatus.SERVING);
  });

  it("Envoy itself says on its way out that it is no longer ready", async () => {
    const port = await freePort();
    const admin = await startEnvoy(envoy, [await freePort()], port);
    const status = async () => (await askProxy(port, "/envoy/ready")).status;
    await vi.waitFor(async () => expect(await status()).toBe(200), 20_000);
    await fetch(`${admin}/healthcheck/fail`, { method: "POST" });
    expect(await status()).toBe(503);
  });
});

/** Starts Envoy on a port, in front of gateways on others; gives the address of its administration. */
async function startEnvoy(
  envoy: string,
  gatewayPorts: readonly number[],
  port: number,
  source = "deploy/envoy/envoy.yaml",
): Promise<string> {
  const adminPort = await freePort();
  const file = join(await temporaryFolder(), "envoy.yaml");
  const own = await readFile(join(projectRoot, source), "utf8");
  await writeFile(file, toTestConfig(own, { gatewayPorts, port, adminPort }));
  const validated = await run(envoy, ["--mode", "validate", "--log-level", "warn", "-c", file]);
  expect(validated.code, validated.stderr).toBe(0);
  expect(validated.stderr).not.toMatch(/\[(warning|error|critical)\]/);
  await startProcess(envoy, ["-c", file, "--log-level", "warn", "--disable-hot-restart"]);
  return `http://127.0.0.1:${adminPort}`;
}

type Ports = {
  readonly gatewayPorts: readonly number[];
  readonly port: number;
  readonly adminPort: number;
};

/** A file of deploy/ with a test's ports and certificate. */
function toTestConfig(own: string, { gatewayPorts, port, adminPort }: Ports): string {
  const servers = /( +- endpoint: .*\n)+/;
  const [server = ""] = /- endpoint: .*\n/.exec(own) ?? [];
  const here = gatewayPorts.map((gatewayPort) =>
    `${" ".repeat(14)}${server}`
      .replace("gateway-1", "127.0.0.1")
      .replace("8080", String(gatewayPort)),
  );
  const certificates = join(projectRoot, "test/fakes");
  const text = own
    .replace(servers, here.join(""))
    .replace(/address: 0\.0\.0\.0, port_value: \d+/, `address: 127.0.0.1, port_value: ${port}`)
    .replace("port_value: 9901", `port_value: ${adminPort}`)
    .replace("/etc/envoy/optamil.crt", join(certificates, "localhost.cert.pem"))
    .replace("/etc/envoy/optamil.key", join(certificates, "localhost.key.pem"));
  expect(text).not.toMatch(/\/etc\/envoy|gateway-[12]|port_value: (443|9901|8080) /);
  return text;
}

/** Resolves when Envoy has found the gateway on that port ready, for REST and for gRPC. */
function untilHealthy(admin: string, gatewayPort: number): Promise<void> {
  return vi.waitFor(async () => {
    const clusters = await (await fetch(`${admin}/clusters`)).text();
    const lines = clusters.split("\n").filter((line) => line.includes("::health_flags::"));
    const own = lines.filter((line) => line.includes(`127.0.0.1:${gatewayPort}::`));
    expect(own.map((line) => line.split("::").at(-1))).toEqual(["healthy", "healthy"]);
  }, 20_000);
}
