/** Python packages that the tests use, pinned and kept apart from the machine's own. */
import { createHash } from "node:crypto";
import { cached } from "./cache.ts";
import { MissingToolError } from "./missing-tool.ts";
import { newestDay } from "./newest.ts";
import { run } from "./process.ts";

const pythonSets = {
  openai: ["openai==3.54.0"],
  anthropic: ["anthropic==2.14.0"],
  langchain: ["langchain-openai==1.7.4"],
  litellm: ["litellm[proxy]==1.108.7"],
  schemathesis: ["schemathesis==4.32.5"],
  grpc: [
    "grpcio==1.85.1",
    "grpcio-tools==1.85.1",
    "grpcio-reflection==1.85.1",
    "grpcio-health-checking==1.85.1",
  ],
} as const;

/** The name of a set of Python packages. */
export type PythonSet = keyof typeof pythonSets;

/** A Python with a set of packages: run `command` with `env` added. */
export interface PythonEnvironment {
  command: string;
  env: { PYTHONPATH: string; PYTHONDONTWRITEBYTECODE: string };
}

/** The sets that `OPTAMIL_TEST_NEWEST=1` takes at their newest releases. */
const clientSets: readonly string[] = ["openai", "anthropic", "langchain"] satisfies PythonSet[];

const command = "python3";
const installTimeoutMs = 600_000;

/** A Python that can import the packages of a set, installed on first use. Throws `MissingToolError`. */
export async function pythonPackages(set: PythonSet): Promise<PythonEnvironment> {
  const pinned: readonly string[] = pythonSets[set];
  const day = clientSets.includes(set) ? newestDay() : undefined;
  const folder = day
    ? await installPython(
        `${set}-${day}`,
        pinned.map((name) => name.replace(/==.*/, "")),
      )
    : await installPython(set, pinned);
  return { command, env: { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: "1" } };
}

/** The folder that holds pinned packages of PyPI, installed on first use. Throws `MissingToolError`. */
export async function installPython(
  name: string,
  requirements: readonly string[],
): Promise<string> {
  const tag = await pythonTag(name);
  const hash = createHash("sha256").update([tag, ...requirements].join("\n"));
  const key = `python/${name}-${hash.digest("hex").slice(0, 12)}`;
  return cached(key, async (folder) => {
    const args = ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"];
    // Wheels only: to compile grpcio takes longer than any test run may.
    args.push("--only-binary", ":all:", "--no-compile", "--target", folder, ...requirements);
    const installed = await run(command, args, { timeoutMs: installTimeoutMs }).catch(
      (error: unknown) => ({ code: null, stderr: String(error) }),
    );
    if (installed.code === 0) return;
    const remedy = installed.stderr.includes("No module named pip")
      ? "install pip for python3 (Debian: apt-get install python3-pip)"
      : "give pip access to a Python package index and run the tests again";
    throw new MissingToolError(requirements.join(" "), `pip: ${installed.stderr}`, remedy);
  });
}

// Wheels differ by Python version and platform, so both are part of an entry's key.
async function pythonTag(name: string): Promise<string> {
  const script = "import sys, sysconfig; print(sys.version_info[:2], sysconfig.get_platform())";
  try {
    return (await run(command, ["-c", script])).stdout;
  } catch (error) {
    const remedy = "install Python 3.10 or newer with pip and put python3 on PATH";
    throw new MissingToolError(`the Python packages "${name}"`, String(error), remedy);
  }
}
