import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentBytesMax, cutContent } from "../../src/usage/content-store.ts";
import { openLmdbContent } from "../../src/usage/lmdb-content.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { contentOf, describeContentStore } from "../contracts/content-store.ts";

const hourMs = 3_600_000;
let path: string;
let clock: ManualClock;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "optamil-content-"));
  clock = new ManualClock();
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const open = (sizeBytesMax?: number) => openLmdbContent({ path, clock, sizeBytesMax });

describeContentStore("LMDB", async () => {
  const folder = mkdtempSync(join(tmpdir(), "optamil-content-"));
  return {
    open: (clock) => openLmdbContent({ path: folder, clock }),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
});

describe("kept content", () => {
  it("is swept away once it has expired", async () => {
    const store = open();
    await store.put("one", contentOf(clock, "short", "p", hourMs));
    await store.put("one", contentOf(clock, "long", "p", 2 * hourMs));
    expect(await store.sweep()).toBe(false);
    expect(store.get("one", "short")).toBeDefined();
    clock.advance(hourMs);
    expect(store.get("one", "short")).toBeUndefined();
    await store.sweep();
    clock.advance(-hourMs);
    expect(store.get("one", "short")).toBeUndefined();
    expect(store.get("one", "long")).toBeDefined();
    await store.close();
  });

  it("is bounded in all: over it what expires first goes, also after a restart", async () => {
    const kilobyte = "x".repeat(1_000);
    const store = open(3_500);
    await store.put("one", contentOf(clock, "a", kilobyte, 3 * hourMs));
    await store.put("one", contentOf(clock, "b", kilobyte, hourMs));
    await store.put("two", contentOf(clock, "c", kilobyte, 2 * hourMs));
    await store.close();
    const again = open(3_500);
    await again.put("two", contentOf(clock, "d", kilobyte, 4 * hourMs));
    const kept = ["a", "b"].map((id) => again.get("one", id)?.requestId);
    expect(kept).toEqual(["a", undefined]);
    expect(["c", "d"].map((id) => again.get("two", id)?.requestId)).toEqual(["c", "d"]);
    await again.close();
  });
});

describe("a text that is kept", () => {
  it("is whole up to 64 KiB, and cut between characters beyond", () => {
    const full = "x".repeat(contentBytesMax);
    expect(cutContent(full)).toEqual({ text: full, cut: false });
    expect(cutContent(`${full}x`)).toEqual({ text: full, cut: true });
    for (const character of ["é", "€", "\u{1f642}"]) {
      const { text, cut } = cutContent(`x${character.repeat(contentBytesMax)}`);
      expect(cut).toBe(true);
      expect(text).toBe(`x${character.repeat((text.length - 1) / character.length)}`);
      const bytes = Buffer.byteLength(text);
      expect(bytes).toBeLessThanOrEqual(contentBytesMax);
      expect(bytes).toBeGreaterThan(contentBytesMax - 4);
    }
  });
});
