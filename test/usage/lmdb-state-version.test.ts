import { open } from "lmdb";
import { expect, it } from "vitest";
import { openLmdbUsageLog } from "../../src/usage/lmdb.ts";
import { readStateVersion, stateOldest, stateVersion } from "../../src/usage/lmdb-state-version.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { createDataFolder } from "./data-folder.ts";

const ours = { version: stateVersion, oldest: stateOldest };

async function openAndClose(path: string): Promise<void> {
  const log = await openLmdbUsageLog({
    ...{ path, gatewayId: "gateway-1", clock: new ManualClock(), reserveBytes: 4_096 },
    onBroken: (cause) => expect.unreachable(String(cause)),
  });
  await log.close();
}

async function note(path: string, { version, oldest }: typeof ours): Promise<void> {
  const env = open({ path, maxDbs: 8 });
  const meta = env.openDB<number, string>({ name: "meta", encoding: "ordered-binary" });
  await meta.put("schema", version);
  await meta.put("schemaOldest", oldest);
  await env.close();
}

it("a folder in which nothing is yet has version 0, and that of the release that has opened it after that", async () => {
  const path = createDataFolder();
  expect(await readStateVersion(path)).toEqual({ version: 0, oldest: 0 });
  await openAndClose(path);
  expect(await readStateVersion(path)).toEqual(ours);
});

it("a folder from before versions is opened, and noted", async () => {
  const path = createDataFolder();
  await openAndClose(path);
  await note(path, { version: 0, oldest: 0 });
  await openAndClose(path);
  expect(await readStateVersion(path)).toEqual(ours);
});

it("a newer release's version is left as it is", async () => {
  const path = createDataFolder();
  await openAndClose(path);
  const newer = { version: stateVersion + 1, oldest: stateVersion };
  await note(path, newer);
  await openAndClose(path);
  expect(await readStateVersion(path)).toEqual(newer);
});

it("a folder without the log's tables has version 0", async () => {
  const path = createDataFolder();
  await open({ path, maxDbs: 8 }).close();
  expect(await readStateVersion(path)).toEqual({ version: 0, oldest: 0 });
});
