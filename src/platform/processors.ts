// Leaves a processor to others: what computes for long then cannot keep waiting who only needs a moment (Linux).
import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";

/**
 * Keeps this process, with all its threads, off the first of its processors. Nothing happens where it has one alone, or
 * where the system has no `/proc` or no `taskset` (util-linux): it is a courtesy.
 */
export function leaveFirstProcessor(): void {
  const [, ...others] = allowedProcessors();
  if (others.length === 0) return;
  spawnSync("taskset", ["-acp", others.join(","), readlinkSync("/proc/self")], {
    ...{ stdio: "ignore", timeout: 1_000 },
  });
}

/** Numbers of the processors that this process may run on, lowest first; none where the system does not say. */
function allowedProcessors(): number[] {
  const [, list = ""] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readStatus()) ?? [];
  if (list === "") return [];
  return list.split(",").flatMap((range) => {
    const [first = Number.NaN, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, place) => first + place);
  });
}

function readStatus(): string {
  try {
    return readFileSync("/proc/self/status", "latin1");
  } catch {
    // Linux alone has it.
    return "";
  }
}
