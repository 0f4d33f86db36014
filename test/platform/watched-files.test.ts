/** Files that change while they are watched, in the ways of editors and orchestrators. */
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { readFiles, WatchedFiles } from "../../src/platform/watched-files.ts";

let folder = "";
let file = "";
let watched = new WatchedFiles(new Map());

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "optamil-watched-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  file = join(folder, "file");
  await writeFile(file, "one");
  watched = new WatchedFiles(await readFiles([file]));
});

it("nothing is new while they hold the same, whoever writes it", async () => {
  expect(await watched.poll()).toBeUndefined();
  await writeFile(file, "one");
  await utimes(file, 1, 1);
  expect(await watched.poll()).toBeUndefined();
  expect(await watched.poll()).toBeUndefined();
});

it("a change is told at the second look, and until it is known", async () => {
  await writeFile(file, "two");
  expect(await watched.poll()).toBeUndefined();
  const contents = await watched.poll();
  expect(contents).toEqual(new Map([[file, { text: "two" }]]));
  expect(await watched.poll()).toEqual(contents);
  watched.know(contents ?? new Map());
  expect(await watched.poll()).toBeUndefined();
});

it("a file is not taken while it is being written", async () => {
  for (const text of ["t", "tw", "two"]) {
    await writeFile(file, text);
    expect(await watched.poll()).toBeUndefined();
  }
  expect(await watched.poll()).toBeDefined();
});

it.each<[string, (next: string) => Promise<void>]>([
  ["renames another file into place", (next) => rename(next, file)],
  [
    "removes it and writes it anew",
    async () => {
      await rm(file);
      await writeFile(file, "two");
    },
  ],
])("who %s changes it, even of the same length and age", async (_name, change) => {
  const next = join(folder, "next");
  await writeFile(next, "two");
  await utimes(file, 1, 1);
  await utimes(next, 1, 1);
  await change(next);
  await watched.poll();
  expect(await watched.poll()).toEqual(new Map([[file, { text: "two" }]]));
});

it("a turned symbolic link of a folder changes the files behind it, as Kubernetes does it", async () => {
  for (const [version, text] of Object.entries({ "..1": "one", "..2": "two" })) {
    await mkdir(join(folder, version));
    await writeFile(join(folder, version, "key"), text);
  }
  await symlink("..1", join(folder, "..data"));
  await symlink(join("..data", "key"), join(folder, "key"));
  const path = join(folder, "key");
  const secret = new WatchedFiles(await readFiles([path]));
  await symlink("..2", join(folder, "..next"));
  await rename(join(folder, "..next"), join(folder, "..data"));
  await secret.poll();
  expect(await secret.poll()).toEqual(new Map([[path, { text: "two" }]]));
});

it("a file that is gone, or is a folder, says so, and is noticed when it is back", async () => {
  await rm(file);
  await watched.poll();
  const gone = await watched.poll();
  expect(gone?.get(file)).toEqual({ problem: expect.stringContaining("ENOENT") });
  watched.know(gone ?? new Map());
  await mkdir(file);
  await watched.poll();
  expect((await watched.poll())?.get(file)).toEqual({ problem: "it is not a regular file" });
  await rm(file, { recursive: true });
  await writeFile(file, "one");
  await watched.poll();
  expect((await watched.poll())?.get(file)).toEqual({ text: "one" });
});
