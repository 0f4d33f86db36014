import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { run } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";

const release = join(projectRoot, "dist/release");
const read = (file: string) => readFile(join(release, file), "utf8");
/** What may be shipped with a program under Apache-2.0. */
const permissive = /^(Apache-2\.0|MIT|ISC|0BSD|BSD-[23]-Clause|\(Apache-2\.0 AND BSD-3-Clause\))$/;
/** Binaries of a package for one platform, which repeat no licence of their own. */
const partOfOther = /^@(chdb\/lib|lmdb\/lmdb|msgpackr-extract\/msgpackr-extract)-/;

describe("npm run release", () => {
  beforeAll(async () => {
    const { code, stderr } = await run(process.execPath, ["deploy/release.ts"], {
      ...{ cwd: projectRoot, timeoutMs: 120_000 },
    });
    expect(code, stderr).toBe(0);
  }, 130_000);

  it("writes the package, the bill of materials and the licences with their checksums", async () => {
    const lines = (await read("SHA256SUMS")).trim().split("\n");
    const files = lines.map((line) => line.split("  "));
    const { version } = JSON.parse(await readFile(join(projectRoot, "package.json"), "utf8"));
    expect(files.map(([, file]) => file)).toEqual([
      "licences.txt",
      `optamil-${version}.tgz`,
      "sbom.cdx.json",
    ]);
    for (const [sha256, file = ""] of files) {
      const bytes = await readFile(join(release, file));
      expect(createHash("sha256").update(bytes).digest("hex")).toBe(sha256);
    }
  });

  it("names each dependency in the bill of materials at its version", async () => {
    const manifest = JSON.parse(await readFile(join(projectRoot, "package.json"), "utf8"));
    const { components } = JSON.parse(await read("sbom.cdx.json"));
    const found = new Set(
      components.map(
        ({ name, version }: { name: string; version: string }) => `${name}@${version}`,
      ),
    );
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.optionalDependencies });
    expect(wanted.filter(([name, version]) => !found.has(`${name}@${version}`))).toEqual([]);
    expect([...found].filter((one) => String(one).startsWith("vitest@"))).toEqual([]);
  });

  it("ships nothing under a licence that is not permissive", async () => {
    const lines = (await read("licences.txt")).trim().split("\n");
    expect(lines.length).toBeGreaterThan(40);
    const odd = lines.filter((line) => {
      const [name = "", licence = ""] = line.split(": ");
      return !permissive.test(licence) && !partOfOther.test(name);
    });
    expect(odd).toEqual([]);
  });
});
