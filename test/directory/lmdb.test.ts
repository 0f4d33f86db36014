import * as fc from "fast-check";
import { open } from "lmdb";
import { describe, expect, it } from "vitest";
import type { Directory } from "../../src/directory/directory.ts";
import type { DirectoryView } from "../../src/directory/fold.ts";
import { createOverlay } from "../../src/directory/overlay.ts";
import { describeDirectory } from "../contracts/directory.ts";
import { accountIds, histories, type RandomChange, snapshot, toRecord } from "./changes.ts";
import { createLmdbHome } from "./lmdb-home.ts";

const clock = { wallMs: () => 1_700_000_000_000, monotonicMs: () => 0 };
const nothing: DirectoryView = {
  account: () => undefined,
  key: () => undefined,
  accountIdOf: () => undefined,
};

/** Drops the tables of the state and leaves the log. */
async function dropState(path: string): Promise<void> {
  const env = open({ path, maxDbs: 8 });
  for (const name of ["accounts", "keys", "emails", "meta"]) env.openDB({ name }).dropSync();
  env.openDB({ name: "keys_by_account", dupSort: true, encoding: "ordered-binary" }).dropSync();
  await env.close();
}

function appendAll(directory: Directory, history: RandomChange[]): Promise<string[]> {
  const appends = history.map(({ change, expectedVersion }) =>
    directory.append(change, { actor: "test", expectedVersion }).then(
      () => "accepted",
      (refusal: { code: string }) => refusal.code,
    ),
  );
  return Promise.all(appends);
}

function withoutTimes(states: unknown[]): string {
  return JSON.stringify(states, (name, value: unknown) => {
    if (name.endsWith("AtUs")) return "a time";
    return typeof value === "bigint" ? value.toString() : value;
  });
}

describeDirectory("LMDB", createLmdbHome);

describe("the directory's tables in LMDB", () => {
  it("come back the same from the log alone when they are missing", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const home = await createLmdbHome();
        const before = await home.open(clock);
        await appendAll(before, history);
        const states = [snapshot(before), accountIds.map((id) => before.keysOf(id))];
        const pages = before.accounts({ limit: 100 });
        await before.close();
        await dropState(home.path);
        const after = await home.open(clock);
        expect([snapshot(after), accountIds.map((id) => after.keysOf(id))]).toEqual(states);
        expect(after.accounts({ limit: 100 })).toEqual(pages);
        await after.close();
        await home.remove();
      }),
      { numRuns: 25 },
    );
  });

  it("accept and refuse what the rule does, for changes that share a commit", async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const home = await createLmdbHome();
        const directory = await home.open(clock);
        const model = createOverlay(nothing);
        const expected = history.map(
          (change, index) => model.fold(toRecord(change, index))?.code ?? "accepted",
        );
        expect(await appendAll(directory, history)).toEqual(expected);
        expect(withoutTimes(snapshot(directory))).toBe(withoutTimes(snapshot(model)));
        await directory.close();
        await home.remove();
      }),
      { numRuns: 25 },
    );
  });

  it("are rebuilt from a log of several batches", async () => {
    const home = await createLmdbHome();
    const before = await home.open(clock);
    const ids = Array.from(
      { length: 2_500 },
      (_, n) => `00000000-0000-7000-8000-${n.toString().padStart(12, "0")}`,
    );
    const write = { actor: "test", expectedVersion: 0n };
    await Promise.all(
      ids.map((accountId) =>
        before.append({ case: "accountCreated", value: { accountId, name: "Ada" } }, write),
      ),
    );
    await before.close();
    await dropState(home.path);
    const after = await home.open(clock);
    expect(after.accounts({ limit: 3_000 }).accounts.map(({ id }) => id)).toEqual(ids);
    await after.close();
    await home.remove();
  });
});
