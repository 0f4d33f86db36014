import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { EventKind } from "../../src/gen/optamil/v1/event_pb.ts";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import { openLmdbUsageLog } from "../../src/usage/lmdb.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { describeWith } from "../setup/describe-with.ts";
import { MissingToolError } from "../setup/missing-tool.ts";
import { run, startProcess } from "../setup/process.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import { createDataFolder } from "./data-folder.ts";

const appender = fileURLToPath(new URL("../fakes/usage-appender.ts", import.meta.url));

describe("a gateway that is killed with -9 while it records", () => {
  it("loses no acknowledged event, ends every acknowledged hold, and leaves no gap", async () => {
    const path = createDataFolder();
    const said = { held: new Set<string>(), settled: new Set<string>() };
    for (let kill = 0; kill < 5; kill++) {
      const { command, args } = runtimeCommand(appender, ["--path", path]);
      const gateway = await startProcess(command, args, { readyLine: /^ready$/ });
      await gateway.waitForLine(/^settled .*$/);
      await gateway.kill();
      for (const [, word, id] of gateway.stdout().matchAll(/^(held|settled) (\S{36})$/gm)) {
        said[word === "held" ? "held" : "settled"].add(id ?? "");
      }
    }
    const log = await openLmdbUsageLog({
      path,
      gatewayId: "gateway-1",
      clock: new ManualClock(),
      reserveBytes: 4_096,
      onBroken: (cause) => expect.unreachable(String(cause)),
    });
    const { records } = await log.read(0, { eventsMax: 1e6, bytesMax: 1e9 });
    expect(records.map(({ offset }) => offset)).toEqual(records.map((_, index) => index));
    const events = records.map(({ bytes }) => decodeEvent(bytes));
    const ids = events.map(({ eventId }) => toEventIdText(eventId));
    expect(new Set(ids).size).toBe(ids.length);
    const settled = new Set(ids.filter((_, at) => events[at]?.rev === 1));
    const recorded = new Set(ids);
    expect([...said.settled].filter((id) => !settled.has(id))).toEqual([]);
    expect([...said.held].filter((id) => !recorded.has(id))).toEqual([]);
    expect(said.settled.size).toBeGreaterThanOrEqual(5);
    expect(events.every(({ kind }) => kind === EventKind.REQUEST)).toBe(true);
    expect(log.status().openHolds).toBe(0);
    await log.close();
  });
});

/** Wraps a command so that it has a small file system of its own on a folder. */
async function fetchSmallDisk(): Promise<(folder: string, sizeMb: number) => string[]> {
  const wrap = (folder: string, sizeMb: number) => {
    const mount = `mount -t tmpfs -o size=${sizeMb}m none ${folder} && exec "$@"`;
    return ["unshare", "-rm", "sh", "-c", mount, "sh"];
  };
  const [command = "", ...args] = [...wrap(tmpdir(), 1), "true"];
  const { code, stderr } = await run(command, args).catch((error: unknown) => ({
    code: 1,
    stderr: String(error),
  }));
  if (code !== 0) throw new MissingToolError("a small disk", stderr, "allow user namespaces");
  return wrap;
}

await describeWith("a gateway whose disk is full", fetchSmallDisk, (wrap) => {
  it("refuses new holds, and records the end of every request in flight", async () => {
    const folder = createDataFolder();
    const { command, args } = runtimeCommand(appender, [
      ...["--path", folder, "--open", "1000", "--reserve-bytes", "4000000"],
    ]);
    const [wrapper = "", ...rest] = wrap(folder, 12);
    const { code, stdout, stderr } = await run(wrapper, [...rest, command, ...args]);
    expect(code, stderr).toBe(0);
    const [, refused, lost] =
      /^end refused=(\d+) lost=(\d+) status=.*"refusing":"disk"/m.exec(stdout) ?? [];
    expect(Number(refused)).toBeGreaterThan(0);
    expect(lost).toBe("0");
  });
});
