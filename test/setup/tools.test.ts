import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { cached, cacheFolder } from "./cache.ts";
import { goTool } from "./go-tool.ts";
import { isCi, MissingToolError } from "./missing-tool.ts";
import { pythonPackages } from "./python-packages.ts";

const folders: string[] = [];

afterEach(() => {
  vi.unstubAllEnvs();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function emptyCache(): string {
  const folder = mkdtempSync(join(tmpdir(), "optamil-cache-"));
  folders.push(folder);
  vi.stubEnv("OPTAMIL_TEST_CACHE", folder);
  return folder;
}

describe("a tool that cannot be had", () => {
  it("gives one line that names the tool, the reason and the remedy", async () => {
    emptyCache();
    vi.stubEnv("PATH", "");
    const failure = await pythonPackages("openai").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(MissingToolError);
    expect(String(failure)).toMatch(/"openai" cannot be had: .*ENOENT; remedy: install Python .+$/);
    expect(String(failure)).not.toContain("\n");
  });

  it("says so for a Go program too, when there is neither Go nor a Python to bring it", async () => {
    emptyCache();
    vi.stubEnv("PATH", "");
    await expect(goTool("grpcurl")).rejects.toThrow(MissingToolError);
  });

  it("shows only the last line of a long reason", () => {
    const { message } = new MissingToolError(
      "go",
      "downloading\n\nno route to host\n",
      "try again",
    );
    expect(message).toBe("go cannot be had: no route to host; remedy: try again");
  });
});

describe("the cache", () => {
  it("lies where the environment says, by default in the user's cache folder", () => {
    vi.stubEnv("OPTAMIL_TEST_CACHE", "");
    vi.stubEnv("XDG_CACHE_HOME", "/xdg");
    expect(cacheFolder()).toBe("/xdg/optamil-tests");
    vi.stubEnv("OPTAMIL_TEST_CACHE", "/own");
    expect(cacheFolder()).toBe("/own");
  });

  it("fills an entry once for all who ask at the same time", async () => {
    emptyCache();
    let fills = 0;
    const fill = async () => void fills++;
    const [first, second] = await Promise.all([cached("a/b", fill), cached("a/b", fill)]);
    expect(first).toBe(second);
    expect(fills).toBe(1);
  });

  it("keeps nothing of an entry whose filling failed", async () => {
    const folder = emptyCache();
    const entry = cached("broken", () => Promise.reject(new Error("disk full")));
    await expect(entry).rejects.toThrow("disk full");
    expect(readdirSync(folder, { recursive: true })).toEqual([
      `${process.platform}-${process.arch}`,
    ]);
  });
});

describe("CI", () => {
  it.each([
    ["true", true],
    ["1", true],
    ["false", false],
    ["", false],
  ])("CI=%s counts as %s", (value, expected) => {
    vi.stubEnv("CI", value);
    expect(isCi()).toBe(expected);
  });
});
