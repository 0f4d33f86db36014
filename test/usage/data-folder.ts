/** Folders for tests that write to disk; gone when the test is over. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A fresh folder for the running test. */
export function createDataFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "optamil-usage-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
