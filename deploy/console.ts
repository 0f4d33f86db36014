// Builds the web console into dist/console: hashed files, each beside its compressed forms, and the list of its pages.
import { createHash } from "node:crypto";
import { glob, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { routes } from "../src/console/routes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Where the console is built to. */
const target = join(root, "dist/console");

/** What the console is made of: when none of it changed, it need not be built anew. */
const sources = [
  "src/console/**",
  "src/gen/**/*.ts",
  "proto/optamil/v1/*.proto",
  "deploy/{console,reference}.ts",
  "docs/router.md",
  "src/catalogue/{plans,tiers}.ts",
  "src/platform/errors.ts",
  "package-lock.json",
];

/** Files that are not worth a compressed form: below one packet. */
const compressedBytesMin = 1_024;

/** A digest of all that the console is made of. */
async function digestOfSources(): Promise<string> {
  const digest = createHash("sha256");
  for await (const entry of glob(sources, { cwd: root, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    digest
      .update(path.slice(root.length))
      .update("\0")
      .update(await readFile(path))
      .update("\0");
  }
  return digest.digest("hex");
}

/** Builds the console, whatever stands there, and puts it in the place of the old one in one step. */
export async function buildConsole(): Promise<void> {
  const digest = await digestOfSources();
  await mkdir(join(root, "dist"), { recursive: true });
  const folder = `${target}-${crypto.randomUUID()}`;
  const environment = process.env["NODE_ENV"];
  // Vite reads it, whatever its caller is: another value would make React's development build.
  process.env["NODE_ENV"] = "production";
  try {
    await bundle(folder);
    await compressAll(folder);
    const pages = Object.fromEntries(routes.map(({ path }) => [path, "index.html"]));
    const manifest = { digest, pages };
    await writeFile(join(folder, "manifest.json"), JSON.stringify(manifest, undefined, 2));
    await rm(target, { recursive: true, force: true });
    await rename(folder, target);
  } finally {
    if (environment === undefined) delete process.env["NODE_ENV"];
    else process.env["NODE_ENV"] = environment;
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether what is built is made of what stands here now. */
export async function consoleIsFresh(): Promise<boolean> {
  const manifest = await readFile(join(target, "manifest.json"), "utf8").catch(() => "{}");
  return JSON.parse(manifest).digest === (await digestOfSources());
}

async function bundle(outDir: string): Promise<void> {
  // Loaded only when there is something to build: they take longer than the look whether there is.
  const { build } = await import("vite");
  const { referenceModule } = await import("./reference.ts");
  await build({
    root: join(root, "src/console"),
    configFile: false,
    logLevel: "warn",
    plugins: [referenceModule(root)],
    build: {
      outDir,
      emptyOutDir: true,
      target: "es2023",
      // What is inlined as a data: address would not pass the policy of the pages.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      chunkSizeWarningLimit: 2_000,
      rolldownOptions: { checks: { pluginTimings: false } },
    },
  });
}

async function compressAll(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  await Promise.all(files.map(({ parentPath, name }) => compress(join(parentPath, name))));
}

async function compress(path: string): Promise<void> {
  const content = await readFile(path);
  if (content.byteLength < compressedBytesMin) return;
  const quality = { [constants.BROTLI_PARAM_QUALITY]: 9 };
  await writeFile(`${path}.gz`, await promisify(gzip)(content, { level: 9 }));
  await writeFile(`${path}.br`, await promisify(brotliCompress)(content, { params: quality }));
}

if (import.meta.main) await buildConsole();
