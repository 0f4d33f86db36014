// `npm run build:package [FOLDER]`: makes dist/package, or the folder: what the npm package and the container image hold.
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildConsole, consoleIsFresh } from "./console.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = resolve(root, process.argv[2] ?? "dist/package");
rmSync(target, { recursive: true, force: true });
execFileSync(
  join(root, "node_modules/.bin/tsc"),
  ["-p", "deploy/tsconfig.json", "--outDir", join(target, "dist")],
  {
    cwd: root,
    stdio: "inherit",
  },
);
// Training and its data stay at home.
rmSync(join(target, "dist/router/training"), { recursive: true });
for (const file of globSync(["src/**/*.{sql,lua}", "src/router/weights.bin"], { cwd: root })) {
  const copy = join(target, "dist", file.slice("src/".length));
  mkdirSync(dirname(copy), { recursive: true });
  cpSync(join(root, file), copy);
}
// The pages find it beside the program, as they do where it is started from its sources.
if (!(await consoleIsFresh())) await buildConsole();
cpSync(join(root, "dist/console"), join(target, "dist/console"), { recursive: true });
for (const file of ["LICENSE", "README.md"]) cpSync(join(root, file), join(target, file));
const own = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const { name, version, description, license, type, engines } = own;
const { dependencies, optionalDependencies } = own;
const manifest = {
  ...{ name, version, description, license, type, engines },
  bin: { optamil: "dist/main.js" },
  files: ["dist"],
  ...{ dependencies, optionalDependencies },
};
writeFileSync(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
