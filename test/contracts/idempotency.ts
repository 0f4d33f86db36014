/** What every store of keyed requests must do: run on LMDB, and on Redis. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  answerBytesMax,
  answerLifeMs,
  type Idempotency,
  type KeyedTry,
} from "../../src/admission/idempotency.ts";

/** A store under test. */
export type IdempotencyUnderTest = {
  readonly store: Idempotency;
  /** Lets the adapter's time pass. */
  advance(ms: number): void | Promise<void>;
  /** The store as another process finds it after this one has closed it. */
  reopen(): Promise<Idempotency>;
  /** Closes what is open and leaves nothing behind. */
  remove(): Promise<void>;
};

const answer = new TextEncoder().encode('{"id":"one"}');

/** A try with the key "key" of the account "ada", unless it is told otherwise. */
export function keyedTry(overrides: Partial<KeyedTry> = {}): KeyedTry {
  return { accountId: "ada", key: "key", bodyDigest: "body", eventId: "event-1", ...overrides };
}

/** Declares the contract's tests for one adapter. */
export function describeIdempotency(
  adapter: string,
  open: () => Promise<IdempotencyUnderTest>,
): void {
  describe(`keyed requests in ${adapter}`, () => {
    let home: IdempotencyUnderTest;
    let store: Idempotency;
    const first = keyedTry();
    const second = keyedTry({ eventId: "event-2" });

    beforeEach(async () => {
      home = await open();
      store = home.store;
    });

    afterEach(() => home.remove());

    it("run once, of however many that begin at the same time", async () => {
      const tries = Array.from({ length: 5 }, (_, at) => keyedTry({ eventId: `event-${at}` }));
      const begun = await Promise.all(tries.map((attempt) => store.begin(attempt)));
      expect(begun.filter(({ kind }) => kind === "new")).toHaveLength(1);
      expect(begun.filter(({ kind }) => kind === "running")).toHaveLength(4);
    });

    it("give their answer to all that come later", async () => {
      await store.begin(first);
      await store.finish(first, answer);
      for (const eventId of ["event-2", "event-3"]) {
        const begun = await store.begin(keyedTry({ eventId }));
        expect(begun).toMatchObject({ kind: "finished" });
        expect(begun.kind === "finished" && Buffer.from(begun.answer ?? [])).toEqual(
          Buffer.from(answer),
        );
      }
    });

    it("refuse another body under the same key, while they run and afterwards", async () => {
      await store.begin(first);
      const other = keyedTry({ bodyDigest: "other", eventId: "event-2" });
      expect(await store.begin(other)).toEqual({ kind: "mismatch" });
      await store.finish(first, answer);
      expect(await store.begin(other)).toEqual({ kind: "mismatch" });
    });

    it("run again after they were forgotten, with another body too", async () => {
      await store.begin(first);
      await store.forget(first);
      expect(await store.begin(keyedTry({ bodyDigest: "other" }))).toEqual({ kind: "new" });
    });

    it("are ended only by the try that began them", async () => {
      await store.begin(first);
      await store.forget(second);
      await store.finish(second, answer);
      expect(await store.begin(second)).toEqual({ kind: "running" });
      await store.finish(first, undefined);
      await store.forget(first);
      expect(await store.begin(second)).toEqual({ kind: "finished", answer: undefined });
    });

    it.each([
      { accountId: "grace", key: "key" },
      { accountId: "ada", key: "key " },
      { accountId: "ad", key: "akey" },
    ])("of '$accountId' with '$key' do not meet those of 'ada' with 'key'", async (other) => {
      await store.begin(first);
      await store.finish(first, answer);
      expect(await store.begin(keyedTry(other))).toEqual({ kind: "new" });
    });

    it("take keys of 255 characters", async () => {
      const long = keyedTry({ key: "~".repeat(255) });
      await store.begin(long);
      await store.finish(long, answer);
      expect(await store.begin(long)).toMatchObject({ kind: "finished" });
    });

    it("are forgotten 24 hours after their answer, and not before", async () => {
      await store.begin(first);
      await store.finish(first, answer);
      await home.advance(answerLifeMs - 1);
      expect(await store.begin(second)).toMatchObject({ kind: "finished" });
      await home.advance(1);
      expect(await store.begin(second)).toEqual({ kind: "new" });
      await store.finish(second, undefined);
      expect(await store.begin(first)).toEqual({ kind: "finished", answer: undefined });
    });

    it("keep an answer of 1 MiB, and of a larger one that there was one", async () => {
      await store.begin(first);
      await store.finish(first, new Uint8Array(answerBytesMax));
      const begun = await store.begin(second);
      expect(begun.kind === "finished" && begun.answer?.byteLength).toBe(answerBytesMax);
      const large = keyedTry({ key: "large" });
      await store.begin(large);
      await store.finish(large, new Uint8Array(answerBytesMax + 1));
      expect(await store.begin(large)).toEqual({ kind: "finished", answer: undefined });
    });

    it("are remembered by the next process once they are finished", async () => {
      await store.begin(first);
      await store.finish(first, answer);
      const reopened = await home.reopen();
      expect(await reopened.begin(second)).toMatchObject({ kind: "finished" });
    });
  });
}
