// `optamil dlq …`: the usage records that no warehouse can take.
import { Buffer } from "node:buffer";
import { parseArgs } from "node:util";
import { type Command, type DeadLetterOperations, UsageError } from "./command.ts";
import { toTable } from "./table.ts";

const pageDefault = 100;
const pageMax = 10_000;
const hexRowBytes = 32;

/** Lists, shows and replays dead letters of a fleet. */
export const dlq: Command = {
  usage: "dlq list [--after ID] [--limit N] [--json] | show ID | replay ID…",
  summary: "See the usage records that were put aside as poison, and send them again after a fix.",
  async run([action, ...words], context) {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: {
        after: { type: "string" },
        limit: { type: "string" },
        json: { type: "boolean", default: false },
      },
      allowPositionals: true,
    });
    const letters = await context.openDeadLetters();
    try {
      switch (action) {
        case "list":
          await list(letters, values, context.print);
          return 0;
        case "show":
          await show(letters, toId(positionals[0]), context.print);
          return 0;
        case "replay":
          if (positionals.length === 0) throw new UsageError("name the letters to replay");
          await letters.replay(positionals.map(toId));
          context.print(`${positionals.length} sent again`);
          return 0;
        default:
          throw new UsageError("say 'list', 'show' or 'replay'");
      }
    } finally {
      await letters.close();
    }
  },
};

type ListValues = {
  readonly after?: string | undefined;
  readonly limit?: string | undefined;
  readonly json: boolean;
};

async function list(
  letters: DeadLetterOperations,
  { after, limit, json }: ListValues,
  print: (line: string) => void,
): Promise<void> {
  const from = after === undefined ? 0 : toId(after) + 1;
  const count = limit === undefined ? pageDefault : Math.min(toId(limit), pageMax);
  const found = await letters.list(from, count);
  const rows = found.map(({ id, atMs, partition, offset, bytes, reason }) => ({
    id,
    at: new Date(atMs).toISOString(),
    partition,
    offset,
    size_bytes: bytes.length,
    reason,
  }));
  if (json) for (const row of rows) print(JSON.stringify(row));
  else {
    const header = ["ID", "AT", "PARTITION", "OFFSET", "BYTES", "REASON"];
    for (const line of toTable(
      header,
      rows.map((row) => Object.values(row).map(String)),
    )) {
      print(line);
    }
  }
}

async function show(
  letters: DeadLetterOperations,
  id: number,
  print: (line: string) => void,
): Promise<void> {
  const { bytes, reason, partition, offset, atMs } = await letters.show(id);
  print(`letter ${id}: partition ${partition}, offset ${offset}, ${new Date(atMs).toISOString()}`);
  print(`reason: ${reason}`);
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
  for (let at = 0; at < hex.length; at += 2 * hexRowBytes) {
    print(hex.slice(at, at + 2 * hexRowBytes));
  }
}

function toId(word: string | undefined): number {
  if (word !== undefined && /^\d{1,15}$/.test(word)) return Number(word);
  throw new UsageError(`'${word ?? ""}' is not a number`);
}
