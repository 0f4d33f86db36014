// Runs programs that talk to a gateway as applications do, and states what they must have understood.
import { readFile } from "node:fs/promises";
import { beforeAll, expect, it } from "vitest";
import { type RunOptions, run } from "../setup/process.ts";

/** One red pixel. */
export const image =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==";

/** A program, its arguments, and beside its environment where the gateway is. */
export type ClientProgram = RunOptions & {
  readonly command: string;
  readonly args: readonly string[];
};

/** Node's arguments for a program that is read from stdin in the folder where the packages are found. */
export const nodeArgs = ["--input-type=module", "-"];

/** The source of a program. */
export function readClient(name: string): Promise<string> {
  return readFile(new URL(`clients/${name}`, import.meta.url), "utf8");
}

/** Runs a program once for all models; each must have printed, as a line of JSON, what is expected. */
export function testClient(
  understands: string,
  expected: Readonly<Record<string, object>>,
  { command, args, env, ...options }: ClientProgram,
): void {
  const models = Object.keys(expected);
  let lines: string[] = [];
  let stderr = "";
  beforeAll(async () => {
    const all = { NO_PROXY: "127.0.0.1", MODELS: models.join(" "), IMAGE: image, ...env };
    const result = await run(command, args, { ...options, env: all });
    lines = result.stdout.split("\n");
    stderr = result.stderr;
  });

  it.each(Object.entries(expected))(`understands ${understands} of %s`, (model, answers) => {
    const line = lines[models.indexOf(model)];
    expect(line, stderr).toMatch(/^\{/);
    expect(JSON.parse(line ?? "")).toEqual(answers);
  });
}
