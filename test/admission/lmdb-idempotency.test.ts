import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerLifeMs } from "../../src/admission/idempotency.ts";
import {
  type LmdbIdempotency,
  type LmdbIdempotencyOptions,
  openLmdbIdempotency,
} from "../../src/admission/lmdb-idempotency.ts";
import { describeIdempotency, keyedTry } from "../contracts/idempotency.ts";
import { ManualClock } from "./manual-clock.ts";

describeIdempotency("LMDB", async () => {
  const clock = new ManualClock();
  const path = await mkdtemp(join(tmpdir(), "optamil-idempotency-"));
  let store = openLmdbIdempotency({ path, clock });
  return {
    store,
    advance: (ms) => clock.advance(ms),
    reopen: async () => {
      await store.close();
      store = openLmdbIdempotency({ path, clock });
      return store;
    },
    remove: async () => {
      await store.close();
      await rm(path, { recursive: true });
    },
  };
});

describe("the store of keyed requests in LMDB", () => {
  let path: string;
  let clock: ManualClock;
  let store: LmdbIdempotency;

  async function reopen(options: Partial<LmdbIdempotencyOptions> = {}): Promise<void> {
    await store.close();
    store = openLmdbIdempotency({ path, clock, ...options });
  }

  /** Finishes a request under each key, one after the other and a millisecond apart. */
  async function finish(keys: readonly string[], answerBytes: number): Promise<void> {
    for (const key of keys) {
      await store.begin(keyedTry({ key }));
      await store.finish(keyedTry({ key }), new Uint8Array(answerBytes));
      clock.advance(1);
    }
  }

  /** What each key is worth: "new", or the size of its answer. */
  async function look(keys: readonly string[]): Promise<unknown[]> {
    return Promise.all(
      keys.map(async (key) => {
        const begun = await store.begin(keyedTry({ key, eventId: "look" }));
        await store.forget(keyedTry({ key, eventId: "look" }));
        return begun.kind === "finished" ? begun.answer?.byteLength : begun.kind;
      }),
    );
  }

  const number = (count: number) => Array.from({ length: count }, (_, at) => `key-${at}`);

  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), "optamil-idempotency-"));
    clock = new ManualClock();
    store = openLmdbIdempotency({ path, clock });
  });

  afterEach(async () => {
    await store.close();
    await rm(path, { recursive: true });
  });

  it("forgets what ran when the process ended", async () => {
    await store.begin(keyedTry());
    await reopen();
    expect(await store.begin(keyedTry({ eventId: "event-2" }))).toEqual({ kind: "new" });
  });

  it("removes what has expired, a thousand rows at a step", async () => {
    const keys = number(1_500);
    await Promise.all(keys.map((key) => store.begin(keyedTry({ key }))));
    await Promise.all(keys.map((key) => store.finish(keyedTry({ key }), new Uint8Array(10))));
    expect(await store.sweep()).toBe(false);
    clock.advance(answerLifeMs);
    await finish(["young"], 10);
    expect([await store.sweep(), await store.sweep(), await store.sweep()]).toEqual([
      true,
      false,
      false,
    ]);
    // With the clock put back, only what was really removed is gone.
    clock.jump(-answerLifeMs);
    expect(await look(["key-0", "key-1499", "young"])).toEqual(["new", "new", 10]);
  });

  it("leaves a key that was used again after it expired", async () => {
    await finish(["again"], 10);
    clock.advance(answerLifeMs);
    await finish(["again"], 20);
    await store.sweep();
    expect(await look(["again"])).toEqual([20]);
  });

  it("leaves a key that runs again while its old answer expires", async () => {
    await finish(["again"], 10);
    clock.advance(answerLifeMs);
    await store.begin(keyedTry({ key: "again" }));
    const done = store.finish(keyedTry({ key: "again" }), new Uint8Array(20));
    await store.sweep();
    await done;
    await store.sweep();
    expect(await look(["again"])).toEqual([20]);
  });

  it("drops the oldest answers when they need too much room, and still knows of them", async () => {
    await reopen({ answersBytesMax: 250 });
    await finish(["a", "b", "c", "d"], 100);
    await store.sweep();
    expect(await look(["a", "b", "c", "d"])).toEqual([undefined, undefined, 100, 100]);
    clock.advance(answerLifeMs);
    await store.sweep();
    await finish(["e", "f", "g"], 100);
    await store.sweep();
    expect(await look(["e", "f", "g"])).toEqual([undefined, 100, 100]);
  });

  it("forgets the oldest keys when there are too many, also those of an earlier process", async () => {
    await finish(["a", "b"], 0);
    await reopen({ finishedMax: 3 });
    await finish(["c", "d", "e"], 10);
    await store.sweep();
    expect(await look(["a", "b", "c", "d", "e"])).toEqual(["new", "new", 10, 10, 10]);
    await store.sweep();
    expect(await look(["c"])).toEqual([10]);
  });

  it("refuses to claim more keys at once than it may", async () => {
    await reopen({ runningMax: 2 });
    await store.begin(keyedTry({ key: "a" }));
    await store.begin(keyedTry({ key: "b" }));
    await expect(store.begin(keyedTry({ key: "c" }))).rejects.toMatchObject({
      code: "service_unavailable",
      retryAfterMs: 1_000,
    });
    await store.forget(keyedTry({ key: "a" }));
    expect(await store.begin(keyedTry({ key: "c" }))).toEqual({ kind: "new" });
  });

  it("takes a request whose end could not be written for finished", async () => {
    await store.begin(keyedTry());
    await store.close();
    await expect(store.finish(keyedTry(), new Uint8Array(10))).rejects.toThrow();
    expect(await store.begin(keyedTry())).toEqual({ kind: "finished", answer: undefined });
    store = openLmdbIdempotency({ path, clock });
  });
});
