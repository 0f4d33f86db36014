/** What every store of kept content does, wherever it lies. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ContentStore, contentBytesMax } from "../../src/usage/content-store.ts";
import { ManualClock } from "../admission/manual-clock.ts";

/** Where stores of one place are opened; `remove` takes all of it away. */
export type ContentPlace = {
  open(clock: ManualClock): ContentStore | Promise<ContentStore>;
  remove(): Promise<void> | void;
};

const hourMs = 3_600_000;

/** Content of a request that expires after so long by a clock. */
export function contentOf(
  clock: ManualClock,
  requestId: string,
  prompt = "prompt",
  afterMs = hourMs,
) {
  const expiresAtMs = clock.wallMs() + afterMs;
  return { requestId, prompt, answer: "answer", promptCut: false, answerCut: true, expiresAtMs };
}

/** The suite. */
export function describeContentStore(name: string, openPlace: () => Promise<ContentPlace>): void {
  describe(`kept content in ${name}`, () => {
    let place: ContentPlace;
    let clock: ManualClock;
    beforeEach(async () => {
      place = await openPlace();
      // Of now: a server deletes what has expired by its own clock.
      clock = new ManualClock(Date.now());
    });
    afterEach(() => place.remove());

    it("is found by its account alone, also after a restart, and the last of one id counts", async () => {
      const store = await place.open(clock);
      await store.put("one", contentOf(clock, "id/1", "first"));
      await store.put("one", contentOf(clock, "id/1", "second"));
      await store.put("two", contentOf(clock, "id/1", "other"));
      await store.close();
      const again = await place.open(clock);
      expect(await again.get("one", "id/1")).toEqual(contentOf(clock, "id/1", "second"));
      expect((await again.get("two", "id/1"))?.prompt).toBe("other");
      expect(await again.get("three", "id/1")).toBeUndefined();
      expect(await again.accountIds()).toEqual(["one", "two"]);
      await again.close();
    });

    it("is text as it was, up to 64 KiB, whatever is in it", async () => {
      const store = await place.open(clock);
      const texts = [
        "",
        `quote " ' \\ \n \t \u0000 {x:String}`,
        "\u{1f642}é€",
        "x".repeat(contentBytesMax),
      ];
      await Promise.all(
        texts.map((text, at) => store.put("one", contentOf(clock, `id-${at}`, text))),
      );
      const kept = await Promise.all(texts.map((_text, at) => store.get("one", `id-${at}`)));
      expect(kept.map((one) => one?.prompt)).toEqual(texts);
      await store.close();
    });

    it("is gone when it is deleted, singly or with all of its account", async () => {
      const store = await place.open(clock);
      for (const accountId of ["one", "one-more", "two"])
        for (const requestId of ["a", "b"]) await store.put(accountId, contentOf(clock, requestId));
      await store.remove("one", "a");
      await store.remove("one", "a");
      expect(await store.get("one", "a")).toBeUndefined();
      expect(await store.get("one", "b")).toBeDefined();
      await store.removeAll("one");
      expect(await store.get("one", "b")).toBeUndefined();
      expect(await store.accountIds()).toEqual(["one-more", "two"]);
      await store.close();
    });

    it("is not shown once it has expired", async () => {
      const store = await place.open(clock);
      await store.put("one", contentOf(clock, "short", "p", hourMs));
      await store.put("one", contentOf(clock, "long", "p", 2 * hourMs));
      expect(await store.get("one", "short")).toBeDefined();
      clock.advance(hourMs);
      expect(await store.get("one", "short")).toBeUndefined();
      expect(await store.get("one", "long")).toBeDefined();
      await store.close();
    });
  });
}
