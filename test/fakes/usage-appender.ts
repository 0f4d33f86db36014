/**
 * A gateway that does nothing but record: holds and their ends, as many at a time as it is told. Every other end comes
 * before its hold was written.
 */
import { parseArgs } from "node:util";
import { systemClock } from "../../src/platform/clock.ts";
import { toEventIdText } from "../../src/usage/event.ts";
import { openLmdbUsageLog } from "../../src/usage/lmdb.ts";
import { sampleHold, sampleSettlement } from "../usage/sample-events.ts";

// Prints "held <id>" and "settled <id>" for what was acknowledged, "refused" for a hold that was not taken.
const { values } = parseArgs({
  options: {
    path: { type: "string" },
    "at-a-time": { type: "string", default: "32" },
    requests: { type: "string", default: "Infinity" },
    "reserve-bytes": { type: "string", default: "4096" },
    /** Holds that are taken at the start and settled after the first refusal. */
    open: { type: "string", default: "0" },
  },
});

const log = await openLmdbUsageLog({
  path: values.path ?? "",
  gatewayId: "gateway-1",
  clock: systemClock,
  reserveBytes: Number(values["reserve-bytes"]),
  onBroken: (cause) => {
    process.stdout.write(`broken ${cause}\n`);
    process.exit(1);
  },
});
process.stdout.write("ready\n");

let left = Number(values.requests);
let refused = 0;

async function request(): Promise<void> {
  const hold = sampleHold();
  const id = toEventIdText(hold.eventId);
  const held = log.hold(hold).then(() => process.stdout.write(`held ${id}\n`));
  if (left % 2 === 0) {
    log.hurry();
    await held;
  }
  const ended = log.append(sampleSettlement(hold)).then(() => {
    process.stdout.write(`settled ${id}\n`);
  });
  await Promise.all([held, ended]);
}

async function work(): Promise<void> {
  while (left-- > 0 && refused === 0) {
    await request().catch(() => {
      refused++;
      process.stdout.write("refused\n");
    });
  }
}

const open = Array.from({ length: Number(values.open) }, () => sampleHold());
const opened = open.map((hold) => log.hold(hold));
log.hurry();
await Promise.all(opened);
await Promise.all(Array.from({ length: Number(values["at-a-time"]) }, work));
const ends = await Promise.allSettled(open.map((hold) => log.append(sampleSettlement(hold))));
const lost = ends.filter(({ status }) => status === "rejected").length;
process.stdout.write(
  `end refused=${refused} lost=${lost} status=${JSON.stringify(log.status())}\n`,
);
await log.close();
