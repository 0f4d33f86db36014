// Other gateways from their registries, pinned, in a scratch folder: what `npm run bench -- --peers` measures beside ours.
import { spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPorts } from "../test/setup/find-ports.ts";
import type { Running } from "./processes.ts";
import { toBody, unaryModel } from "./requests.ts";
import { chatPath, type Target } from "./targets.ts";

/** A gateway of others that answers requests. */
export type Peer = {
  readonly name: string;
  readonly target: Target;
  /** Requests at once: as many as it can take without queueing for seconds. */
  readonly connections: number;
  /** How many times as much as ours a request is to cost at least. */
  readonly goal: number;
};

const portkey = "@portkey-ai/gateway@1.15.2";
const litellm = "litellm[proxy]==1.108.7";
const startTimeoutMs = 180_000;

/** Installs and starts them; throws where a registry cannot be reached. `note` is told of each process as soon as it runs. */
export async function startPeers(
  folder: string,
  upstreamPort: number,
  note: (process: Running) => void,
): Promise<readonly Peer[]> {
  const baseUrl = `http://127.0.0.1:${upstreamPort}/v1`;
  return [
    { ...(await startPortkey(folder, baseUrl, note)), connections: 64, goal: 15 },
    { ...(await startLitellm(folder, baseUrl, note)), connections: 16, goal: 100 },
  ];
}

/** Without keys, limits or metering: it forwards to the address in a header. */
async function startPortkey(folder: string, baseUrl: string, note: (process: Running) => void) {
  const prefix = join(folder, "portkey");
  install(
    "npm",
    ["install", "--prefix", prefix, "--no-audit", "--no-fund", "--ignore-scripts"],
    [portkey],
  );
  const script = join(prefix, "node_modules/@portkey-ai/gateway/build/start-server.js");
  const [port = 0] = await findPorts(1);
  const process = run(globalThis.process.execPath, [script, "--headless", `--port=${port}`], {
    TRUSTED_CUSTOM_HOSTS: "127.0.0.1",
  });
  note(process);
  const headers = {
    ...{ authorization: "Bearer none", "x-portkey-provider": "openai" },
    "x-portkey-custom-host": baseUrl,
  };
  const target = { process, port, headers };
  await untilItAnswers(portkey, target);
  return { name: portkey, target };
}

/** With a master key, one worker, its router and its cost sums in memory; no database and no limits. */
async function startLitellm(folder: string, baseUrl: string, note: (process: Running) => void) {
  const packages = join(folder, "litellm");
  const pip = ["-m", "pip", "install", "--quiet", "--no-input", "--only-binary", ":all:"];
  install("python3", [...pip, "--target", packages], [litellm]);
  const params = { model: `openai/${unaryModel}`, api_base: baseUrl, api_key: "none" };
  const file = join(folder, "litellm.json");
  const key = "sk-bench";
  // JSON is YAML.
  const config = {
    model_list: [{ model_name: unaryModel, litellm_params: params }],
    general_settings: { master_key: key },
  };
  writeFileSync(file, JSON.stringify(config));
  const [port = 0] = await findPorts(1);
  const words = ["-m", "litellm.proxy.proxy_cli", "--config", file, "--host", "127.0.0.1"];
  const process = run("python3", [...words, "--port", String(port)], {
    ...{ PYTHONPATH: packages, LITELLM_LOCAL_MODEL_COST_MAP: "True" },
  });
  note(process);
  const target = { process, port, headers: { authorization: `Bearer ${key}` } };
  await untilItAnswers(litellm, target);
  return { name: litellm, target };
}

function install(command: string, words: readonly string[], packages: readonly string[]): void {
  const { status, stderr } = spawnSync(command, [...words, ...packages], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${packages.join(" ")} cannot be installed: ${stderr}`);
}

function run(command: string, args: readonly string[], env: Record<string, string>): Running {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: "ignore" });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} did not start`);
  return { child, pid };
}

async function untilItAnswers(name: string, { port, headers }: Target): Promise<void> {
  const endMs = performance.now() + startTimeoutMs;
  const request = {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: toBody(unaryModel),
  };
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}${chatPath}`, request).catch(() => null);
    if (answer?.ok) return;
    if (performance.now() > endMs)
      throw new Error(`${name} answers ${answer?.status ?? "nothing"}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
