import { globSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { providerPresets } from "../../src/catalogue/presets.ts";
import { type RunningProcess, run, startProcess } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";

const scratch = await mkdtemp(join(tmpdir(), "optamil-package-"));
const installed = join(scratch, "node_modules/optamil");
const program = join(installed, "dist/main.js");
const env = {
  ...Object.fromEntries(providerPresets.map(({ apiKeyEnv }) => [apiKeyEnv, undefined])),
  OPTAMIL_CONFIG: undefined,
  OPTAMIL_DATA: join(scratch, "data"),
  OPTAMIL_LOG: "silent",
  HOST: undefined,
  PORT: "0",
};
const optamil = (...words: string[]) =>
  run(process.execPath, [program, ...words], { env, cwd: scratch });
let gateway: RunningProcess;
let url = "";

/** Packs what `npm run build:package` made, and unpacks it as `npm install` does, beside the packages that it names. */
async function install(): Promise<void> {
  const built = await run(process.execPath, ["deploy/build.ts", join(scratch, "built")], {
    cwd: projectRoot,
  });
  expect(built.code, built.stderr).toBe(0);
  const pack = ["pack", "--silent", "--pack-destination", scratch];
  const packed = await run("npm", pack, { cwd: join(scratch, "built") });
  expect(packed.code, packed.stderr).toBe(0);
  await mkdir(installed, { recursive: true });
  const archive = join(scratch, packed.stdout.trim());
  const unpacked = await run("tar", ["-xzf", archive, "-C", installed, "--strip-components=1"]);
  expect(unpacked.code, unpacked.stderr).toBe(0);
  const { dependencies, optionalDependencies } = await manifest();
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const link = join(scratch, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(projectRoot, "node_modules", name), link);
  }
}

const manifest = async () => JSON.parse(await readFile(join(installed, "package.json"), "utf8"));

beforeAll(async () => {
  await install();
  gateway = await startProcess(process.execPath, [program, "start"], {
    ...{ env, cwd: scratch, readyTimeoutMs: 60_000 },
    readyLine: /^ {2}Base URL +(http:\/\/127\.0\.0\.1:\d+)\/v1$/,
  });
  url = gateway.ready?.[1] ?? "";
}, 180_000);
afterAll(async () => {
  const ended = await gateway.stop();
  await rm(scratch, { recursive: true, force: true });
  expect(ended).toEqual({ code: 0, signal: null });
}, 30_000);

describe("the npm package", () => {
  it("holds JavaScript and data, and names the program", async () => {
    const { bin, scripts, devDependencies } = await manifest();
    expect({ bin, scripts, devDependencies }).toEqual({ bin: { optamil: "dist/main.js" } });
    expect((await readFile(program, "utf8")).split("\n")[0]).toBe("#!/usr/bin/env node");
    const files = await readdir(installed, { recursive: true });
    expect(files.filter((file) => file.endsWith(".ts"))).toEqual([]);
    const data = globSync("src/**/*.{sql,lua}", { cwd: projectRoot });
    const packed = new Set(files.map((file) => file.replaceAll("\\", "/")));
    expect(data.filter((file) => !packed.has(`dist/${file.slice("src/".length)}`))).toEqual([]);
  });

  it("answers a chat on the demo provider", async () => {
    const key = (await readFile(join(scratch, "data/first-key"), "utf8")).trim();
    const answered = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "auto", messages: [{ role: "user", content: "hello" }] }),
    });
    expect(answered.status).toBe(200);
    expect(answered.headers.get("x-optamil-provider")).toBe("demo");
  });

  it("forks its consumer, whose warehouse has the event", async () => {
    const count = async () =>
      (await optamil("sql", "SELECT count() AS n FROM usage_events FINAL", "--json")).stdout;
    await expect.poll(count, { timeout: 25_000 }).toContain('"n":1');
  });

  it("prints the commands of the program", async () => {
    const { code, stdout } = await optamil("help");
    expect(code).toBe(0);
    expect(stdout).toContain("optamil doctor [--json]");
  });
});
