/** What a gateway does about a data folder of which something is gone, or which another release has written. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { open } from "lmdb";
import { describe, expect, it, vi } from "vitest";
import { stateVersion } from "../../src/usage/lmdb-state-version.ts";
import { bearer } from "./doors.ts";
import { type Gateway, runOptamil, startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

// Several processes start one after the other.
vi.setConfig({ testTimeout: 120_000 });
const body = { model: "auto", messages: [{ role: "user", content: "hello" }] };
const soon = { timeout: 30_000, interval: 100 };
const first = await startGateway();
await first.stop();
const { dataDirectory, key } = first;
const headers = bearer(key);

async function ask({ url }: Gateway, times: number): Promise<void> {
  for (let at = 0; at < times; at++) {
    const reply = await sendHttp1(url, { path: "/v1/chat/completions", headers, body });
    expect(reply.status, reply.text).toBe(200);
  }
}

const usedAt = async ({ url }: Gateway) =>
  JSON.parse((await sendHttp1(url, { path: "/v1/usage", headers })).text).credits_used;

/** Events in the warehouse, and their credits. */
async function storedAt({ dataDirectory: folder }: Gateway): Promise<unknown> {
  const sql =
    "SELECT toUInt32(count()) AS events, toUInt32(sum(credits_micro)) AS micro FROM usage_events FINAL FORMAT JSONEachRow";
  const { stdout } = await runOptamil(["sql", sql], folder);
  return stdout.startsWith("{") ? JSON.parse(stdout) : stdout;
}

const sumOf = (credits: number) => ({ events: credits, micro: credits * 1_000_000 });
const clean = { code: 0, stdout: "Nothing is lost and nothing counts twice.\n" };

describe("a gateway that was stopped", () => {
  it.each([
    ["its warehouse", ["warehouse"]],
    ["its consumer's state", ["consumer"]],
    ["both", ["warehouse", "consumer"]],
  ])(
    "and has lost %s fills it again from its log: sums agree and nothing counts twice",
    async (_what, folders) => {
      const before = await startGateway({ dataDirectory });
      await ask(before, 3);
      const used = await usedAt(before);
      await expect.poll(() => storedAt(before), soon).toEqual(sumOf(used));
      await before.stop();
      for (const folder of folders) await rm(join(dataDirectory, folder), { recursive: true });

      const gateway = await startGateway({ dataDirectory });
      expect(await usedAt(gateway)).toBe(used);
      await ask(gateway, 2);
      await expect.poll(() => storedAt(gateway), soon).toEqual(sumOf(used + 2));
      expect(await usedAt(gateway)).toBe(used + 2);
      expect(await runOptamil(["audit"], dataDirectory)).toMatchObject(clean);
      await gateway.stop();
    },
  );

  it("and has lost both, and its log's first records, says how many are missing, and counts the others once", async () => {
    const before = await startGateway({ dataDirectory });
    const used = await usedAt(before);
    await before.stop();
    for (const folder of ["warehouse", "consumer"]) {
      await rm(join(dataDirectory, folder), { recursive: true });
    }
    await changeLog((env) => {
      const log = env.openDB<Uint8Array, number>({ name: "log", encoding: "binary" });
      for (let offset = 0; offset < 2; offset++) log.removeSync(offset);
    });

    const gateway = await startGateway({ dataDirectory, env: { OPTAMIL_LOG: "warn" } });
    await expect.poll(() => storedAt(gateway), soon).toEqual(sumOf(used - 2));
    expect(await usedAt(gateway)).toBe(used - 2);
    // The log holds lines back for a moment.
    const lines = () =>
      gateway.process.stderr().match(/The warehouse lacks 2 records of usage\/0 before 2/g);
    await expect.poll(lines, soon).toHaveLength(1);
    await gateway.stop();
  });
});

describe("a data folder of a newer release", () => {
  const next = stateVersion + 1;

  it("that only has more in it is served", async () => {
    await note(next, stateVersion);
    const gateway = await startGateway({ dataDirectory });
    await ask(gateway, 1);
    await gateway.stop();
  });

  it("that this one would read wrongly is refused in one line, and left as it is", async () => {
    await note(next, next);
    const files = await readdir(dataDirectory);
    const line = `OPTAMIL_DATA: ${dataDirectory} has schema version ${next}, which needs a release that knows ${next}, and this one knows ${stateVersion}: run 'optamil' of the newer release\n`;
    for (const words of [["start"], ["keys", "list"], ["accounts", "list"]]) {
      expect(await runOptamil(words, dataDirectory), words.join(" ")).toMatchObject({
        ...{ code: 1, stdout: "", stderr: line },
      });
    }
    expect(await readdir(dataDirectory)).toEqual(files);
  });

  it("is served again when it says nothing of versions, as those from before them", async () => {
    await changeLog((env) => {
      const meta = env.openDB<number, string>({ name: "meta", encoding: "ordered-binary" });
      for (const name of ["schema", "schemaOldest"]) meta.removeSync(name);
    });
    const gateway = await startGateway({ dataDirectory });
    await ask(gateway, 1);
    await gateway.stop();
  });
});

async function changeLog(change: (env: ReturnType<typeof open>) => void): Promise<void> {
  const env = open({ path: join(dataDirectory, "usage"), maxDbs: 8 });
  change(env);
  await env.close();
}

function note(version: number, oldest: number): Promise<void> {
  return changeLog((env) => {
    const meta = env.openDB<number, string>({ name: "meta", encoding: "ordered-binary" });
    meta.putSync("schema", version);
    meta.putSync("schemaOldest", oldest);
  });
}
