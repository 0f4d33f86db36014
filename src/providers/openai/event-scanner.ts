// Finds whole server-sent events in upstream bytes without parsing them, and edits the few that need it.

import { Buffer } from "node:buffer";
import { ChunkShape, standsAt } from "./chunk-shape.ts";
import { type PlainChunk, readPlainChunk } from "./plain-chunk.ts";

/** Largest event: 8 MiB, far above any chunk that a model makes. */
export const eventBytesMax = 8 * 1024 * 1024;

const [lineFeed, carriageReturn, closingBrace, openingBracket] = [0x0a, 0x0d, 0x7d, 0x5b];
const chunkStart = Buffer.from("data: {");
const doneEvent = Buffer.from("data: [DONE]\n\n");
/** Length of `data: `: where the JSON of an event starts. */
const jsonOffset = 6;
/** Shapes learned at most: a stream whose chunks never repeat one is read chunk by chunk. */
const shapesMax = 16;
const [waiting, odd] = [-1, -2];
const noBytes = Buffer.alloc(0);

/** What the bytes of one read gave. */
export type Scan = {
  /** Whole events for the client, `model` being the catalogue's; a part of the read if nothing was edited. */
  readonly events: Buffer;
  readonly eventCount: number;
  /** What follows them: nothing yet, the end of the stream, or bytes that only a parser understands. */
  readonly next: "more" | "done" | "odd" | "too_large";
  /** With `odd`: everything from the first odd event on. */
  readonly rest: Buffer;
};

/** A place of the read that the client gets changed: the model's name put in, or nothing. */
type Edit = { readonly start: number; readonly end: number; readonly isModel: boolean };

/** Reads the events of one stream that has one choice. */
export class EventScanner {
  /** Usage as the upstream sent it; undefined until then. */
  usage: unknown = undefined;
  /** Whether the choice had its finish_reason. */
  isFinished = false;
  /** The first chunk; undefined until then. */
  first: PlainChunk | undefined;

  readonly #model: string;
  readonly #replacement: Buffer;
  readonly #includeUsage: boolean;
  /** Bytes of an event that is not whole yet. */
  #carried: Buffer[] = [];
  #carriedBytes = 0;
  /** Of the last ordinary chunk that was read. */
  #shape: ChunkShape | undefined;
  #shapeCount = 0;
  #edits: Edit[] = [];

  /** `model` is the catalogue's name; `includeUsage` keeps the usage event. */
  constructor(model: string, includeUsage: boolean) {
    this.#model = model;
    this.#replacement = Buffer.from(`"model":${JSON.stringify(model)}`);
    this.#includeUsage = includeUsage;
  }

  /** Takes the bytes of one read. After anything but `more` it must not be called again. */
  scan(read: Buffer): Scan {
    const bytes = this.#join(read);
    if (bytes === undefined) return this.#toScan(noBytes, 0, waiting, noBytes);
    this.#edits = [];
    const firstReturn = bytes.indexOf(carriageReturn);
    const returnAt = firstReturn < 0 ? bytes.length : firstReturn;
    let at = 0;
    let eventCount = 0;
    let next = findEventEnd(bytes, at, returnAt);
    while (next >= 0 && bytes[at + jsonOffset] !== openingBracket) {
      const verdict = this.#look(bytes, at, next);
      if (verdict === "odd") {
        next = odd;
        break;
      }
      if (verdict === "keep") eventCount += 1;
      at = next;
      next = findEventEnd(bytes, at, returnAt);
    }
    const rest = bytes.subarray(at);
    if (next === waiting) {
      this.#carried = rest.length === 0 ? [] : [rest];
      this.#carriedBytes = rest.length;
    }
    return this.#toScan(this.#edit(bytes, at), eventCount, next, rest);
  }

  /** Bytes of an event that never became whole. */
  takeCarried(): Buffer {
    return Buffer.concat(this.#carried);
  }

  #toScan(events: Buffer, eventCount: number, end: number, rest: Buffer): Scan {
    if (end >= 0) return { events, eventCount, next: "done", rest };
    if (end === odd) return { events, eventCount, next: "odd", rest };
    const next = this.#carriedBytes > eventBytesMax ? "too_large" : "more";
    return { events, eventCount, next, rest: noBytes };
  }

  /** The carried bytes and the read as one; undefined while no event can be whole. */
  #join(read: Buffer): Buffer | undefined {
    if (this.#carried.length === 0) return read;
    this.#carried.push(read);
    this.#carriedBytes += read.length;
    // Joined only when a line ends or while it is short: a large event in small reads is copied once.
    const canDecide = read.includes(lineFeed) || read.includes(carriageReturn);
    return canDecide || this.#carriedBytes < 1024 ? Buffer.concat(this.#carried) : undefined;
  }

  /** Whether a whole event goes to the client, stays with us, or is beyond a scanner. */
  #look(bytes: Buffer, start: number, end: number): "keep" | "drop" | "odd" {
    const modelAt = this.#shape?.findModel(bytes, start, end) ?? -1;
    if (modelAt >= 0) {
      this.#renameModel(modelAt);
      return "keep";
    }
    const chunk = readPlainChunk(bytes.subarray(start + jsonOffset, end - 2), !this.first);
    this.first ??= chunk;
    if (chunk === undefined || !isOfOneStream(chunk, this.first)) return "odd";
    if (chunk.isFinish && this.isFinished) return "odd";
    if (chunk.usage !== undefined) this.usage = chunk.usage;
    if (chunk.isFinish) this.isFinished = true;
    if (chunk.usage !== undefined && !this.#includeUsage) {
      this.#edits.push({ start, end, isModel: false });
      return "drop";
    }
    const place = jsonOffset + chunk.modelStart;
    // Neither the first chunk nor one that ends something may come twice.
    const isOrdinary = chunk !== this.first && !chunk.isFinish && chunk.usage === undefined;
    if (isOrdinary && this.#shapeCount < shapesMax) {
      this.#shape = new ChunkShape(bytes.subarray(start, end), place);
      this.#shapeCount += 1;
    }
    this.#renameModel(start + place);
    return "keep";
  }

  /** Puts the catalogue's name in the place of the upstream's, whose member has the same bytes in all chunks. */
  #renameModel(start: number): void {
    if (this.first === undefined || this.first.model === this.#model) return;
    const end = start + this.first.modelEnd - this.first.modelStart;
    this.#edits.push({ start, end, isModel: true });
  }

  /** The bytes up to `end` with the edits made. */
  #edit(bytes: Buffer, end: number): Buffer {
    if (this.#edits.length === 0) return bytes.subarray(0, end);
    let size = end;
    for (const edit of this.#edits) {
      size += (edit.isModel ? this.#replacement.length : 0) - (edit.end - edit.start);
    }
    const edited = Buffer.allocUnsafe(size);
    let from = 0;
    let to = 0;
    for (const edit of this.#edits) {
      to += bytes.copy(edited, to, from, edit.start);
      if (edit.isModel) to += this.#replacement.copy(edited, to);
      from = edit.end;
    }
    bytes.copy(edited, to, from, end);
    return edited;
  }
}

/** Whether id, time and model are the first chunk's, the model with the same spacing. */
function isOfOneStream(chunk: PlainChunk, first: PlainChunk | undefined): boolean {
  return (
    chunk.id === first?.id &&
    chunk.created === first.created &&
    chunk.model === first.model &&
    chunk.modelEnd - chunk.modelStart === first.modelEnd - first.modelStart
  );
}

/** Where the event that starts at `at` ends: after its blank line. */
function findEventEnd(bytes: Buffer, at: number, returnAt: number): number {
  if (!standsAt(bytes, chunkStart, at)) return findDoneEnd(bytes, at);
  const lineEnd = bytes.indexOf(lineFeed, at);
  if (returnAt < (lineEnd < 0 ? bytes.length : lineEnd)) return odd;
  if (lineEnd < 0) return waiting;
  if (bytes[lineEnd - 1] !== closingBrace) return odd;
  if (lineEnd + 1 === bytes.length) return waiting;
  return bytes[lineEnd + 1] === lineFeed ? lineEnd + 2 : odd;
}

function findDoneEnd(bytes: Buffer, at: number): number {
  if (!standsAt(bytes, doneEvent, at)) return odd;
  return at + doneEvent.length <= bytes.length ? at + doneEvent.length : waiting;
}
