import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { contentBytesMax, cutContent } from "../../src/usage/content-store.ts";
import { openLmdbContent } from "../../src/usage/lmdb-content.ts";
import { ManualClock } from "../admission/manual-clock.ts";

const hourMs = 3_600_000;
let path: string;
let clock: ManualClock;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "optamil-content-"));
  clock = new ManualClock();
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

const open = (sizeBytesMax?: number) => openLmdbContent({ path, clock, sizeBytesMax });

function contentOf(requestId: string, prompt = "prompt", afterMs = hourMs) {
  const expiresAtMs = clock.wallMs() + afterMs;
  return { requestId, prompt, answer: "answer", promptCut: false, answerCut: true, expiresAtMs };
}

describe("kept content", () => {
  it("is found by its account alone, also after a restart, and the last of one id counts", async () => {
    const store = open();
    await store.put("one", contentOf("id/1", "first"));
    await store.put("one", contentOf("id/1", "second"));
    await store.put("two", contentOf("id/1", "other"));
    await store.close();
    const again = open();
    expect(again.get("one", "id/1")).toEqual(contentOf("id/1", "second"));
    expect(again.get("two", "id/1")?.prompt).toBe("other");
    expect(again.get("three", "id/1")).toBeUndefined();
    expect(again.accountIds()).toEqual(["one", "two"]);
    await again.close();
  });

  it("is gone when it is deleted, singly or with all of its account", async () => {
    const store = open();
    for (const accountId of ["one", "one-more", "two"])
      for (const requestId of ["a", "b"]) await store.put(accountId, contentOf(requestId));
    await store.remove("one", "a");
    await store.remove("one", "a");
    expect(store.get("one", "a")).toBeUndefined();
    expect(store.get("one", "b")).toBeDefined();
    await store.removeAll("one");
    expect(store.get("one", "b")).toBeUndefined();
    expect(store.accountIds()).toEqual(["one-more", "two"]);
    await store.close();
  });

  it("is not shown once it has expired, and swept away", async () => {
    const store = open();
    await store.put("one", contentOf("short", "p", hourMs));
    await store.put("one", contentOf("long", "p", 2 * hourMs));
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
    await store.put("one", contentOf("a", kilobyte, 3 * hourMs));
    await store.put("one", contentOf("b", kilobyte, hourMs));
    await store.put("two", contentOf("c", kilobyte, 2 * hourMs));
    await store.close();
    const again = open(3_500);
    await again.put("two", contentOf("d", kilobyte, 4 * hourMs));
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
