// Completes package-lock.json with the optional platform packages that npm left out.
//
// npm drops an optional package from the lockfile when the registry in use does not hold it (a mirror
// often lacks other platforms' binaries), and `npm ci` then refuses the file as out of sync. Each
// missing package gets an entry with the version asked for and the platform its name states, so that
// `npm ci` works here and picks the right binary elsewhere. Run after every `npm install`.
import { readFileSync, writeFileSync } from "node:fs";

type Entry = {
  version?: string;
  optional?: boolean;
  dev?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  optionalDependencies?: Record<string, string>;
};

const systems = [
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
  "aix",
];
const machines: Record<string, string> = {
  aarch64: "arm64",
  arm64: "arm64",
  armv7: "arm",
  arm: "arm",
  x64: "x64",
  x86_64: "x64",
  ia32: "ia32",
  ppc64: "ppc64",
  riscv64: "riscv64",
  s390x: "s390x",
  loong64: "loong64",
  mips64el: "mips64el",
  wasm32: "wasm32",
};
const path = new URL("../package-lock.json", import.meta.url);
const lock = JSON.parse(readFileSync(path, "utf8")) as { packages: Record<string, Entry> };

function platformOf(name: string): Pick<Entry, "os" | "cpu" | "libc"> {
  const words = name.replace("windows", "win32").split(/[-/]/);
  const os = words.find((word) => systems.includes(word));
  const cpu = words.map((word) => machines[word]).find((machine) => machine !== undefined);
  const libc = words.some((word) => word.startsWith("musl")) ? ["musl"] : undefined;
  if (cpu === undefined && os === undefined) throw new Error(`no platform in the name ${name}`);
  return { ...(cpu && { cpu: [cpu] }), ...(libc && { libc }), ...(os && { os: [os] }) };
}

let added = 0;
for (const [parent, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const places = [`${parent}/node_modules/${name}`, `node_modules/${name}`];
    if (places.some((place) => lock.packages[place] !== undefined)) continue;
    const exact = /^\d[^ ]*$/.test(version) ? version : version.replace(/^[~^]/, "");
    lock.packages[`node_modules/${name}`] = {
      version: exact,
      ...platformOf(name),
      ...(entry.dev && { dev: true }),
      optional: true,
    };
    added++;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
);
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`${added} platform packages added to package-lock.json\n`);
