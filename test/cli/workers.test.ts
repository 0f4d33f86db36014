import { describe, expect, it } from "vitest";
import type { ServeOptions } from "../../src/cli/command.ts";
import { runWith } from "./fake-context.ts";

describe("optamil start", () => {
  it.each([
    [["start"], 1],
    [["start", "--workers", "1"], 1],
    [["start", "--workers=64"], 64],
  ])("%j serves with %i processes", async (words, workers) => {
    const asked: ServeOptions[] = [];
    const serve = async (options: ServeOptions) => void asked.push(options);
    expect(await runWith({ serve }, ...words)).toMatchObject({ code: 0 });
    expect(asked).toMatchObject([{ workers }]);
  });

  it.each(["0", "65", "two", "1.5", "-1", ""])("refuses --workers=%s", async (workers) => {
    const { code, warned } = await runWith({}, "start", `--workers=${workers}`);
    expect(code).toBe(2);
    expect(warned).toEqual([
      `optamil: --workers: must be a whole number from 1 to 64, got "${workers}"`,
      "usage: optamil start [--workers N]",
    ]);
  });
});
