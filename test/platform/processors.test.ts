import { expect, it } from "vitest";
import { run } from "../setup/process.ts";

/** Says on which processors it may run before, and after it has left one. */
const program = `
  import { execFileSync } from "node:child_process";
  import { leaveFirstProcessor } from "./src/platform/processors.ts";
  const mask = () => BigInt("0x" + execFileSync("taskset", ["-p", process.pid], { encoding: "utf8" }).split(": ")[1].trim());
  const before = mask();
  leaveFirstProcessor();
  console.log(before, mask());
`;

async function masks(command: string, words: string[]): Promise<[bigint, bigint]> {
  const node = [process.execPath, "--input-type=module", "--eval", program];
  const { code, stdout, stderr } = await run(command, [...words, ...node]);
  expect(code, stderr).toBe(0);
  const [before = 0n, after = 0n] = stdout.replaceAll("n", "").trim().split(" ").map(BigInt);
  return [before, after];
}

it("a process leaves the first of its processors to others, and keeps the one that it has alone", async () => {
  const [all, left] = await masks("env", []);
  const first = all & -all;
  expect(left).toBe(all === first ? all : all - first);
  const cpu = first.toString(2).length - 1;
  expect(await masks("taskset", ["-c", String(cpu)])).toEqual([first, first]);
});
