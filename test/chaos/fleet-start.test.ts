import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withoutProviderKeys } from "../../deploy/fleet/fleet.ts";
import { bearer, doors } from "../e2e/doors.ts";
import { sendHttp1 } from "../e2e/rest-client.ts";
import { fetchClickHouse } from "../setup/clickhouse.ts";
import { describeWith } from "../setup/describe-with.ts";
import { findPorts } from "../setup/find-ports.ts";
import { type RunningProcess, run, startProcess } from "../setup/process.ts";

const script = "deploy/fleet/start.ts";
const request = { model: "auto", messages: [{ role: "user", content: "Say hello." }] };

/** Ids of processes whose command or environment names a folder, and that are none of ours. */
function processesIn(folder: string): { pid: number; command: string }[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ");
        const environment = readFileSync(`/proc/${name}/environ`, "utf8");
        return environment.includes(folder) ? [{ pid: Number(name), command }] : [];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}

await describeWith("a fleet that one script starts", fetchClickHouse, () => {
  let folder = "";
  let fleet: RunningProcess;
  let ports: number[] = [];
  let key = "";
  let url = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "optamil-start-"));
    ports = await findPorts(1);
    const args = [script, "--supervise", "--port", `${ports[0]}`, "--brokers", "1"];
    fleet = await startProcess(process.execPath, [...args, "--gateways", "2", "--consumers", "1"], {
      env: { ...withoutProviderKeys, TMPDIR: folder, OPTAMIL_CONFIG: undefined },
      readyLine: /^Ctrl-C ends/,
      readyTimeoutMs: 150_000,
    });
    key = /^First key +(\S+)$/m.exec(fleet.stdout())?.[1] ?? "";
    url = /^Base URL +(\S+)\/v1$/m.exec(fleet.stdout())?.[1] ?? "";
  }, 180_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("says of each part that it is well", () => {
    const parts = [...fleet.stdout().matchAll(/^ {2}(\S+) +(\S+) +(.*)$/gm)];
    const names = [
      "kafka-1",
      "clickhouse",
      "redis",
      "consumer-1",
      "gateway-1",
      "gateway-2",
      "nginx",
    ];
    expect(parts.map(([, name, , state]) => [name, state])).toEqual(
      names.map((name) => [name, "ok"]),
    );
  });

  it("answers through its proxy, by REST and by gRPC", async () => {
    expect(url).toBe(`http://127.0.0.1:${ports[0]}`);
    const grpc = `http://127.0.0.1:${(ports[0] ?? 0) + 1}`;
    for (const door of doors) {
      const to = /HTTP\/2|JSON messages|^gRPC$/.test(door.name) ? grpc : url;
      const { body } = await door.chat({ url: to, headers: bearer(key) }, request);
      expect(body.choices[0]?.message.content, door.name).toContain("Say hello.");
    }
    expect((await sendHttp1(url, { path: "/" })).headers["content-type"]).toContain("text/html");
  });

  it("finds nothing wrong with itself by the command that it prints", async () => {
    const words = /^Commands +env (.*) npm run .* -- doctor$/m.exec(fleet.stdout())?.[1] ?? "";
    const env = Object.fromEntries(words.split(" ").map((word) => word.split("=")));
    const args = ["src/main.ts", "doctor", "--json"];
    const { stdout, stderr } = await run(process.execPath, args, { env });
    expect(stderr).toBe("");
    const found: { part: string; status: string }[] = JSON.parse(stdout);
    expect(found.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(found.map(({ part }) => part)).toEqual(
      expect.arrayContaining(["gateway", "counters", "kafka", "consumers", "clickhouse", "redis"]),
    );
  });

  it("starts a gateway again that was killed, and answers meanwhile", async () => {
    const [gateway] = processesIn(folder).filter(({ command }) =>
      command.endsWith("main.ts gateway "),
    );
    process.kill(gateway?.pid ?? Number.NaN, "SIGKILL");
    await fleet.waitForLine(/^gateway-\d: has ended$/);
    const headers = bearer(key);
    const asked = { path: "/v1/chat/completions", headers, body: request };
    expect((await sendHttp1(url, asked)).status).toBe(200);
    await fleet.waitForLine(/^gateway-\d: ok$/, 60_000);
  }, 90_000);

  it("ends at SIGTERM with 0, and leaves neither a process nor a file", async () => {
    expect(await fleet.stop(60_000)).toEqual({ code: 0, signal: null });
    expect(processesIn(folder)).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
  }, 90_000);

  it("refuses what it does not understand with one line", async () => {
    const { code, stderr } = await run(process.execPath, [script, "--brokers", "2"]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: "--brokers: 1 or 3\n" });
  });
});
