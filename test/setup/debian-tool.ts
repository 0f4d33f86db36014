/** Programs that come from Debian packages when the machine does not have them. */
import { constants } from "node:fs";
import { access, chmod, glob, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { cached } from "./cache.ts";
import { MissingToolError } from "./missing-tool.ts";
import { type RunOptions, run } from "./process.ts";

const debianTools = {
  chromium: { package: "chromium", path: "usr/bin/chromium" },
  curl: { package: "curl", path: "usr/bin/curl" },
  "docker-compose": { package: "docker-compose", path: "usr/bin/docker-compose" },
  "fiu-run": { package: "fiu-utils", path: "usr/bin/fiu-run" },
  java: { package: "default-jre-headless", path: "usr/lib/jvm/default-java/bin/java" },
  mvn: { package: "maven", path: "usr/share/maven/bin/mvn" },
  nginx: { package: "nginx-light", path: "usr/sbin/nginx" },
  promtool: { package: "prometheus", path: "usr/bin/promtool" },
  "redis-server": { package: "redis-server", path: "usr/bin/redis-server" },
  slowhttptest: { package: "slowhttptest", path: "usr/bin/slowhttptest" },
} as const;

/** The name of a program of the list. */
export type DebianTool = keyof typeof debianTools;

const aptTimeoutMs = 600_000;

/**
 * The path of a program: the machine's own, else from its Debian package: installed as root,
 * unpacked into the cache with the packages that it needs as anybody else. Throws `MissingToolError`.
 */
export async function debianTool(name: DebianTool): Promise<string> {
  const own = await onPath(name);
  if (own !== undefined) return own;
  try {
    if (process.getuid?.() !== 0) return await unpackedTool(name);
    await installAsRoot(debianTools[name].package);
  } catch (error) {
    if (error instanceof MissingToolError) throw error;
    throw missing(name, error instanceof Error ? error.message : String(error));
  }
  const installed = await onPath(name);
  if (installed === undefined) throw missing(name, "its package does not put it on PATH");
  return installed;
}

function missing(name: DebianTool, why: string): MissingToolError {
  return new MissingToolError(name, why, `install ${name} yourself and put it on PATH`);
}

async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    const path = join(folder, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}

async function installAsRoot(packageName: string): Promise<void> {
  const args = ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
  const install = () => apt("apt-get", [...args, packageName]);
  // The first try fails where the package lists are absent or old, as in a fresh container.
  await install().catch(async () => {
    await apt("apt-get", ["update"]);
    await install();
  });
}

async function unpackedTool(name: DebianTool): Promise<string> {
  const { package: packageName, path } = debianTools[name];
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const codename = /^VERSION_CODENAME=(\w+)/m.exec(release)?.[1] ?? "unknown";
  const folder = await cached(`debian/${codename}-${name}`, async (temporary) => {
    const lists = await freshLists(temporary);
    const downloads = join(temporary, "downloads");
    await mkdir(downloads);
    const packages = await neededPackages(packageName, lists);
    await apt("apt-get", [...lists, "download", ...packages], { cwd: downloads });
    for await (const file of glob("*.deb", { cwd: downloads })) {
      await apt("dpkg", ["-x", join(downloads, file), join(temporary, "root")]);
    }
    await writeWrapper(temporary, name, path);
    await rm(downloads, { recursive: true });
    await rm(join(temporary, "apt"), { recursive: true });
  });
  return join(folder, name);
}

// Lists of our own: those of the machine may be absent, and only root may fetch them.
async function freshLists(temporary: string): Promise<string[]> {
  const state = join(temporary, "apt");
  await mkdir(join(state, "lists", "partial"), { recursive: true });
  await mkdir(join(state, "cache", "archives", "partial"), { recursive: true });
  const options = [
    ["-o", `Dir::State::lists=${join(state, "lists")}`],
    ["-o", `Dir::Cache=${join(state, "cache")}`],
  ].flat();
  await apt("apt-get", [...options, "update"]);
  return options;
}

async function neededPackages(packageName: string, lists: string[]): Promise<string[]> {
  const simulated = ["install", "--simulate", "--no-install-recommends", packageName];
  const plan = await apt("apt-get", [...lists, ...simulated]);
  return [...plan.matchAll(/^Inst (\S+)/gm)].flatMap(([, needed]) => needed ?? []);
}

// The unpacked libraries are not where the program looks, so a script in front names their folders.
async function writeWrapper(temporary: string, name: string, path: string): Promise<void> {
  const script = [
    "#!/bin/sh",
    'root="$(dirname "$(readlink -f "$0")")/root"',
    'libraries="$(echo "$root"/lib/*-linux-* "$root"/usr/lib/*-linux-* | tr " " ":")"',
    `LD_LIBRARY_PATH="$libraries" exec "$root/${path}" "$@"`,
  ];
  await writeFile(join(temporary, name), `${script.join("\n")}\n`);
  await chmod(join(temporary, name), 0o755);
}

async function apt(command: string, args: string[], options: RunOptions = {}): Promise<string> {
  const result = await run(command, args, {
    timeoutMs: aptTimeoutMs,
    env: { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" },
    ...options,
  });
  if (result.code === 0) return result.stdout;
  throw new Error(`${command}: ${result.stderr}`);
}
