// `npm run release`: writes into dist/release the package, its bill of materials, the licences and their checksums.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = join(root, "dist/release");
const npm = (cwd: string, ...args: string[]) =>
  execFileSync("npm", args, { cwd, encoding: "utf8", maxBuffer: 64 * 1024 ** 2 });

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
execFileSync(process.execPath, [join(root, "deploy/build.ts")], { stdio: "inherit" });
npm(join(root, "dist/package"), "pack", "--silent", "--pack-destination", target);

type Component = {
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly properties: readonly { readonly name: string }[];
  readonly licenses?: readonly { license?: { id?: string; name?: string }; expression?: string }[];
};
type Bill = {
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
};

// npm's own `--omit dev` also leaves out what both the program and its tests need.
const whole: Bill = JSON.parse(
  npm(root, "sbom", "--sbom-format", "cyclonedx", "--package-lock-only"),
);
const isForTests = ({ properties }: Component) =>
  properties.some(({ name }) => name === "cdx:npm:package:development");
const left = new Set(whole.components.filter(isForTests).map((one) => one["bom-ref"]));
const components = whole.components.filter((one) => !left.has(one["bom-ref"]));
const dependencies = whole.dependencies
  .filter(({ ref }) => !left.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((on) => !left.has(on)) }));
const sbom = JSON.stringify({ ...whole, components, dependencies }, null, 1);
writeFileSync(join(target, "sbom.cdx.json"), `${sbom}\n`);

const lines = components.map(({ name, version, licenses = [] }) => {
  const names = licenses.map(
    ({ license, expression }) => license?.id ?? license?.name ?? expression,
  );
  return `${name} ${version}: ${names.join(", ") || "see the package it belongs to"}`;
});
writeFileSync(join(target, "licences.txt"), `${lines.toSorted().join("\n")}\n`);

const sums = readdirSync(target)
  .toSorted()
  .map((file) => {
    const sha256 = createHash("sha256")
      .update(readFileSync(join(target, file)))
      .digest("hex");
    return `${sha256}  ${file}\n`;
  });
writeFileSync(join(target, "SHA256SUMS"), sums.join(""));
process.stdout.write(sums.join(""));
