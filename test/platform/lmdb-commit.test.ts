import { open } from "lmdb";
import { describe, expect, it, onTestFinished } from "vitest";
import { commit, hasRoom, isNoSpace } from "../../src/platform/lmdb-commit.ts";
import { createDataFolder } from "../usage/data-folder.ts";

const petabyte = 2 ** 50;

function openHome() {
  const path = createDataFolder();
  const env = open({ path, eventTurnBatching: false });
  onTestFinished(() => env.close());
  return { path, env };
}

describe("a commit", () => {
  it("is on disk when it resolves", async () => {
    const { path, env } = openHome();
    await commit(env, path, 1_000, () => void env.put("key", "value"));
    expect(env.get("key")).toBe("value");
  });

  it("that could find no room is refused before it writes anything", async () => {
    const { path, env } = openHome();
    let written = false;
    const refused = commit(env, path, petabyte, () => {
      written = true;
    });
    await expect(refused).rejects.toSatisfy(isNoSpace);
    await expect(refused).rejects.toThrow(`no room on the disk of ${path}`);
    expect(written).toBe(false);
  });

  it("counts on no room that those on their way were promised", async () => {
    const { path, env } = openHome();
    const free = 64 * 1024 ** 2;
    expect(hasRoom(path, free)).toBe(true);
    let room = petabyte;
    while (!hasRoom(path, room)) room /= 2;
    const first = commit(env, path, room, () => void env.put("key", "value"));
    await expect(commit(env, path, room, () => undefined)).rejects.toSatisfy(isNoSpace);
    await first;
    expect(hasRoom(path, room)).toBe(true);
  });
});
