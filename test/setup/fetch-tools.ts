/** Global set-up: fetches what the chosen projects need before their tests start to count time. */
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { buildConsole, consoleIsFresh } from "../../deploy/console.ts";
import { debianTool } from "./debian-tool.ts";
import { envoyTool } from "./envoy.ts";
import { goProgram, goTool } from "./go-tool.ts";
import { kafkaTool } from "./kafka.ts";
import { kubernetesSchemas } from "./kubernetes-schemas.ts";
import { isCi, MissingToolError } from "./missing-tool.ts";
import { npmPackages } from "./npm-packages.ts";
import { pythonPackages } from "./python-packages.ts";
import { projectRoot } from "./runtime.ts";

type Needs = Record<string, () => Promise<unknown>>;

/** The console as it is served, built from what stands here. */
const builtConsole = async () => {
  if (!(await consoleIsFresh())) await buildConsole();
};

const endToEnd: Needs = {
  "web console": builtConsole,
  curl: () => debianTool("curl"),
  nginx: () => debianTool("nginx"),
  envoy: envoyTool,
  promtool: () => debianTool("promtool"),
  slowhttptest: () => debianTool("slowhttptest"),
  grpcurl: () => goTool("grpcurl"),
  "go retry": () => goProgram(join(projectRoot, "test/e2e/retry")),
  "go h2spec": () => goProgram(join(projectRoot, "test/e2e/h2spec")),
  "go openai": () => goProgram(join(projectRoot, "test/e2e/clients/go")),
  "npm clients": () => npmPackages("clients"),
  "npm anthropic": () => npmPackages("anthropic"),
  "npm responses": () => npmPackages("responses"),
  "python openai": () => pythonPackages("openai"),
  "python anthropic": () => pythonPackages("anthropic"),
  "python langchain": () => pythonPackages("langchain"),
  "python schemathesis": () => pythonPackages("schemathesis"),
  "python grpc": () => pythonPackages("grpc"),
};

const brokers: Needs = { kafka: kafkaTool };
const engines: Needs = { ...brokers, helm: () => goTool("helm") };
const chaos: Needs = { ...brokers, toxiproxy: () => goTool("toxiproxy") };
const deployment: Needs = {
  "docker-compose": () => debianTool("docker-compose"),
  promtool: () => debianTool("promtool"),
  envoy: envoyTool,
  helm: () => goTool("helm"),
  kubeconform: () => goTool("kubeconform"),
  "kubernetes schemas": kubernetesSchemas,
  "go monitoring": () => goProgram(join(projectRoot, "test/deploy/monitoring")),
};

const needsOf: Record<string, Needs> = {
  engines,
  unit: deployment,
  chaos,
  long: chaos,
  conformance: { connectconformance: () => goTool("connectconformance") },
  console: {
    chromium: () => debianTool("chromium"),
    curl: () => debianTool("curl"),
    grpcurl: () => goTool("grpcurl"),
    "python openai": () => pythonPackages("openai"),
    "web console": builtConsole,
  },
  "e2e-node": endToEnd,
  "e2e-deno": endToEnd,
  "e2e-fleet": { ...endToEnd, ...brokers },
  "e2e-fleet-long": { ...endToEnd, ...brokers },
};

/**
 * Fetches the tools, prints one line for each and fails in CI when one cannot be had: elsewhere the
 * suites that need it are skipped by `describeWith`.
 */
export default async function fetchTools({ vitest }: TestProject): Promise<void> {
  const needs = Object.assign({}, ...vitest.projects.map(({ name }) => needsOf[name])) as Needs;
  const fetched = await Promise.allSettled(
    Object.entries(needs).map(([name, fetchTool]) => fetchOne(name, fetchTool)),
  );
  const failed = fetched.filter(({ status }) => status === "rejected");
  if (failed.length > 0) throw new Error(`${failed.length} test tools cannot be had`);
}

async function fetchOne(name: string, fetchTool: () => Promise<unknown>): Promise<void> {
  const start = performance.now();
  try {
    await fetchTool();
    const seconds = ((performance.now() - start) / 1_000).toFixed(1);
    process.stdout.write(`tool  ${name}  ${seconds} s\n`);
  } catch (error) {
    process.stdout.write(`tool  ${error instanceof Error ? error.message : error}\n`);
    if (!(error instanceof MissingToolError) || isCi()) throw error;
  }
}
