/** Packages of npm that only the tests of clients use, pinned and kept out of the project's own. */
import { createHash } from "node:crypto";
import { cached } from "./cache.ts";
import { MissingToolError } from "./missing-tool.ts";
import { newestDay } from "./newest.ts";
import { run } from "./process.ts";

const npmSets = {
  clients: ["openai@7.57.0", "ai@7.0.173", "@ai-sdk/openai-compatible@3.0.92"],
  responses: ["openai@7.57.0", "zod@4.6.7", "ai@7.0.173", "@ai-sdk/openai@4.0.118"],
  anthropic: ["@anthropic-ai/sdk@1.14.0", "ai@7.0.173", "@ai-sdk/anthropic@4.0.105"],
} as const;

/** The name of a set of npm packages. */
export type NpmSet = keyof typeof npmSets;

const installTimeoutMs = 600_000;

/** The folder in which a script finds the packages of a set, installed on first use. Throws `MissingToolError`. */
export async function npmPackages(set: NpmSet): Promise<string> {
  const day = newestDay();
  const pinned: readonly string[] = npmSets[set];
  const packages = day ? pinned.map((name) => name.replace(/@[^@]*$/, "@latest")) : pinned;
  const hash = createHash("sha256").update([day, ...packages].join("\n"));
  return cached(`npm/${set}-${hash.digest("hex").slice(0, 12)}`, async (folder) => {
    const args = ["install", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts"];
    const installed = await run("npm", [...args, ...packages], {
      timeoutMs: installTimeoutMs,
    }).catch((error: unknown) => ({ code: null, stderr: String(error) }));
    if (installed.code === 0) return;
    const remedy = "give npm access to a registry and run the tests again";
    throw new MissingToolError(packages.join(" "), `npm: ${installed.stderr}`, remedy);
  });
}
