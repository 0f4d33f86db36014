import { chmod, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import type { Diagnosis } from "../../src/cli/command.ts";
import { runOptamil, startGateway, temporaryFolder, writeConfig } from "./gateway.ts";

// Each of them starts a process or two.
vi.setConfig({ testTimeout: 60_000 });

const gateway = await startGateway();

async function diagnose(dataDirectory: string, env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await runOptamil(["doctor", "--json"], dataDirectory, env);
  expect(stderr).toBe("");
  const diagnoses: Diagnosis[] = JSON.parse(stdout);
  return { code, diagnoses };
}

it("finds nothing wrong with a gateway that is well", async () => {
  const look = () => diagnose(gateway.dataDirectory);
  await expect.poll(async () => (await look()).code, { timeout: 40_000 }).toBe(0);
  const { diagnoses } = await look();
  const parts = diagnoses.filter(({ status }) => status === "ok").map(({ part }) => part);
  const expected = ["configuration", "secrets", "secrets", "gateway", "usage log", "consumer"];
  for (const part of expected) expect(parts).toContain(part);
});

it("names a secret that others can read, and the remedy, as text too", async () => {
  const file = join(gateway.dataDirectory, "first-key");
  await chmod(file, 0o644);
  const { code, stdout } = await runOptamil(["doctor"], gateway.dataDirectory);
  await chmod(file, 0o600);
  expect(code).toBe(1);
  expect(stdout).toContain(`error   secrets`);
  expect(stdout).toContain(`${file} can be read by others`);
  expect(stdout).toContain(`secrets: chmod 600 ${file}`);
});

it("takes a gateway that is not there for a notice", async () => {
  const { diagnoses } = await diagnose(await temporaryFolder());
  expect(diagnoses.filter(({ status }) => status === "error")).toEqual([]);
  expect(diagnoses).toContainEqual(
    expect.objectContaining({ part: "gateway", status: "notice", remedy: expect.any(String) }),
  );
});

it("tells each mistake of the configuration", async () => {
  const file = join(await temporaryFolder(), "bad.yaml");
  await writeFile(file, "port: 99999\nlogLevel: loud\n");
  const { code, diagnoses } = await diagnose(await temporaryFolder(), { OPTAMIL_CONFIG: file });
  expect(code).toBe(1);
  expect(diagnoses).toHaveLength(2);
  for (const one of diagnoses)
    expect(one).toMatchObject({ part: "configuration", status: "error" });
});

it("says of each service of a fleet that is away what goes on without it", async () => {
  const port = await closedPort();
  const fleet = {
    gatewayId: "doctor-test",
    kafka: { brokers: [`127.0.0.1:${port}`] },
    clickhouse: { url: `http://127.0.0.1:${port}` },
    redis: { url: `redis://127.0.0.1:${port}` },
  };
  const { code, diagnoses } = await diagnose(await temporaryFolder(), {
    OPTAMIL_CONFIG: await writeConfig(fleet),
  });
  expect(code).toBe(1);
  for (const part of ["kafka", "clickhouse", "redis"]) {
    expect(diagnoses).toContainEqual({
      ...{ part, status: "error", message: expect.any(String) },
      ...{ meaning: expect.stringContaining("go on"), remedy: expect.any(String) },
    });
  }
});

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
