/** The usage log on a disk that fails: libfiu lets the system calls of a real process fail at random. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { decodeEvent, toEventIdText } from "../../src/usage/event.ts";
import { openLmdbUsageLog } from "../../src/usage/lmdb.ts";
import { ManualClock } from "../admission/manual-clock.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { run } from "../setup/process.ts";
import { runtimeCommand } from "../setup/runtime.ts";
import { createDataFolder } from "./data-folder.ts";

const appender = fileURLToPath(new URL("../fakes/usage-appender.ts", import.meta.url));
const eio = 5;
const enospc = 28;

/** What fails, and of what: calls of LMDB's writer and of the flush; "reduce" writes less than it was given. */
const faults = [
  ["pwrite fails with EIO", `posix/io/rw/pwrite,failinfo=${eio}`],
  ["writev fails with EIO", `posix/io/rw/writev,failinfo=${eio}`],
  ["fdatasync fails with EIO", `posix/io/sync/fdatasync,failinfo=${eio}`],
  ["pwrite fails with ENOSPC", `posix/io/rw/pwrite,failinfo=${enospc}`],
  ["writev fails with ENOSPC", `posix/io/rw/writev,failinfo=${enospc}`],
  ["pwrite writes less than it was given", "posix/io/rw/pwrite/reduce"],
  ["writev writes less than it was given", "posix/io/rw/writev/reduce"],
] as const;

await describeWith(
  "a usage log on a disk that fails",
  () => debianTool("fiu-run"),
  (fiuRun) => {
    it.each(faults)(
      "keeps what it acknowledged, and opens again without repair, when %s",
      async (_name, fault) => {
        const path = createDataFolder();
        const { command, args } = runtimeCommand(appender, ["--path", path, "--requests", "3000"]);
        const faulty = [
          "-x",
          ...librariesOf(fiuRun),
          "-c",
          `enable_random name=${fault},probability=0.01`,
        ];
        // Whether the process ends or lives on is its own affair; a fault of the library may kill it, or stop it for ever.
        const bounded = ["--signal=KILL", "10", fiuRun, ...faulty, command, ...args];
        const { stdout } = await run("timeout", bounded);
        const said = (word: string) =>
          [...stdout.matchAll(new RegExp(`^${word} (\\S{36})$`, "gm"))].map(([, id]) => id ?? "");
        const log = await openLmdbUsageLog({
          ...{ path, gatewayId: "gateway-1", clock: new ManualClock(), reserveBytes: 4_096 },
          onBroken: (cause) => expect.unreachable(String(cause)),
        });
        const { records } = await log.read(0, { eventsMax: 1e6, bytesMax: 1e9 });
        expect(records.map(({ offset }) => offset)).toEqual(records.map((_, index) => index));
        const events = records.map(({ bytes }) => decodeEvent(bytes));
        const ids = events.map(({ eventId }) => toEventIdText(eventId));
        const recorded = new Set(ids);
        expect(recorded.size).toBe(ids.length);
        const settled = new Set(ids.filter((_, at) => events[at]?.rev === 1));
        expect(said("settled").filter((id) => !settled.has(id))).toEqual([]);
        expect(said("held").filter((id) => !recorded.has(id))).toEqual([]);
        expect(log.status().openHolds).toBe(0);
        await log.close();
      },
    );
  },
);

/** Where its libraries are, if the package was only unpacked. */
function librariesOf(fiuRun: string): string[] {
  const unpacked = join(dirname(fiuRun), "root", "usr", "lib", "fiu");
  return existsSync(unpacked) ? ["-l", unpacked] : [];
}
