/** The runtime on which the end-to-end suite starts the gateway: Node or Deno, same sources. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A runtime that the gateway supports. */
export type Runtime = "node" | "deno";

/** The root folder of the project. */
export const projectRoot = fileURLToPath(new URL("../..", import.meta.url));

/** The runtime that this vitest project tests, from `OPTAMIL_TEST_RUNTIME`; by default Node. */
export function runtimeUnderTest(): Runtime {
  return process.env["OPTAMIL_TEST_RUNTIME"] === "deno" ? "deno" : "node";
}

/**
 * The command and arguments that run a TypeScript file of this project on a runtime.
 * They name the binaries themselves: a wrapper script would not pass signals on.
 */
export function runtimeCommand(
  script: string,
  args: readonly string[],
  runtime: Runtime = runtimeUnderTest(),
): { command: string; args: string[] } {
  if (runtime === "node") return { command: process.execPath, args: [script, ...args] };
  const command = fileURLToPath(new URL("../../node_modules/deno/deno", import.meta.url));
  if (!existsSync(command)) {
    throw new Error("deno: its binary is missing: allow its install script and run `npm ci`");
  }
  return { command, args: ["run", "--allow-all", "--no-prompt", script, ...args] };
}
