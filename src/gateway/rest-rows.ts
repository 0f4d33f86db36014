// Writes a stream of rows to an HTTP response: lines of JSON, or of CSV with a head line.
import { setImmediate } from "node:timers/promises";
import type { DescField, DescMessage, JsonValue, Message } from "@bufbuild/protobuf";
import { toErrorBody, toOptamilError } from "../platform/errors.ts";
import { type JsonCodec, jsonCodec } from "../platform/json.ts";
import { fieldsByKey } from "../platform/json-shape.ts";
import type { Reply } from "./reply.ts";
import type { Route } from "./route.ts";

/** A reader that takes nothing for this long is cut off. */
const stallTimeoutMs = 60_000;

/** How rows are written. */
interface RowFormat {
  readonly mediaType: string;
  /** What goes before the rows. */
  readonly head: string;
  line(row: Message): string;
  /** The last line of a stream that broke off; undefined: it is cut off. */
  failure(thrown: unknown): string | undefined;
}

/**
 * Writes the rows of the messages as they come. Throws what is thrown before the first of them; what is thrown later ends
 * the stream and is returned.
 */
export async function writeRows(
  reply: Reply,
  { method, rows }: Pick<Route, "method" | "rows">,
  request: Message,
  messages: AsyncIterable<Message>,
): Promise<unknown> {
  if (rows?.message === undefined) throw new Error(`${method.name} has no rows`);
  const format = toFormat(rows.message, Reflect.get(request, "format") === "csv");
  const iterator = messages[Symbol.asyncIterator]();
  let next = await iterator.next();
  reply.writeHead(200, { "content-type": format.mediaType, "cache-control": "no-store" });
  let text = format.head;
  try {
    for (; next.done !== true && !reply.destroyed; next = await iterator.next()) {
      text += itemsOf(next.value, rows).map(format.line).join("");
      if (text !== "") await write(reply, text);
      text = "";
      // Other requests have their turn.
      await setImmediate();
    }
    reply.end(text);
    return undefined;
  } catch (thrown) {
    const last = format.failure(thrown);
    if (last === undefined) reply.destroy();
    else reply.end(last);
    return thrown;
  } finally {
    await iterator.return?.();
  }
}

/** Resolves when there is room for more, or nobody reads any more. */
async function write(reply: Reply, text: string): Promise<void> {
  if (reply.write(text) || reply.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stall = setTimeout(() => reply.destroy(), stallTimeoutMs);
  reply.once("drain", resolve);
  reply.once("close", resolve);
  await promise;
  clearTimeout(stall);
}

function itemsOf(message: Message, rows: DescField): readonly Message[] {
  const items: unknown = Reflect.get(message, rows.localName);
  return Array.isArray(items) ? items : [];
}

function toFormat(type: DescMessage, isCsv: boolean): RowFormat {
  const codec: JsonCodec<Message> = jsonCodec(type);
  if (isCsv) return toCsv([...fieldsByKey(type).keys()], codec);
  return {
    mediaType: "application/x-ndjson",
    head: "",
    line: (row) => `${codec.encodeText(row)}\n`,
    failure: (thrown) => `${JSON.stringify(toErrorBody(toOptamilError(thrown, "")))}\n`,
  };
}

/** RFC 4180, with line feeds. */
function toCsv(keys: readonly string[], codec: JsonCodec<Message>): RowFormat {
  return {
    mediaType: "text/csv; charset=utf-8; header=present",
    head: `${keys.join(",")}\n`,
    line(row) {
      const object = codec.encode(row);
      return `${keys.map((key) => toCell(object[key])).join(",")}\n`;
    },
    failure: () => undefined,
  };
}

function toCell(value: JsonValue | undefined): string {
  if (typeof value !== "string") return value === undefined || value === null ? "" : String(value);
  // A spreadsheet would take the text for a formula; numbers that no double holds are texts, too.
  const text = /^[=+\-@\t\r]/.test(value) && !/^-?\d+(\.\d+)?$/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
