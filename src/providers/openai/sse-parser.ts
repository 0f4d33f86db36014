// Parses any stream of server-sent events. Source: WHATWG HTML, section 9.2.6.

import { Buffer } from "node:buffer";

const [lineFeed, carriageReturn] = [0x0a, 0x0d];

/** One event: its data lines joined by LF. */
export type SseEvent = { readonly type: string; readonly data: string };

/** Splits bytes, however they are cut, into events. */
export class SseParser {
  /** Whether an event grew over the bound; what follows is not parsed. */
  isTooLarge = false;
  readonly #eventBytesMax: number;
  #partialLine: Buffer[] = [];
  #data: string[] = [];
  #type = "";
  #eventBytes = 0;
  #isFirstLine = true;
  /** The last byte was CR: an LF next belongs to it. */
  #skipsLineFeed = false;

  constructor(eventBytesMax: number) {
    this.#eventBytesMax = eventBytesMax;
  }

  /** The events that these bytes complete. */
  push(bytes: Buffer): SseEvent[] {
    const events: SseEvent[] = [];
    let start = 0;
    for (let at = 0; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (byte === lineFeed && this.#skipsLineFeed) {
        start = at + 1;
      } else if (byte === lineFeed || byte === carriageReturn) {
        const event = this.#takeLine(bytes.subarray(start, at));
        if (event !== undefined) events.push(event);
        start = at + 1;
      }
      this.#skipsLineFeed = byte === carriageReturn;
    }
    const rest = bytes.subarray(start);
    if (rest.length > 0) this.#partialLine.push(rest);
    this.#count(rest.length);
    return events;
  }

  /**
   * The event that the end of the stream completes, if any.
   *
   * The standard drops it; servers that forget the last blank line are too many for that.
   */
  end(): SseEvent | undefined {
    return this.#takeLine(Buffer.alloc(0)) ?? this.#takeEvent();
  }

  #takeLine(lastPiece: Buffer): SseEvent | undefined {
    this.#count(lastPiece.length);
    const pieces = this.#partialLine;
    this.#partialLine = [];
    const bytes = pieces.length === 0 ? lastPiece : Buffer.concat([...pieces, lastPiece]);
    const line = bytes.toString("utf8").slice(this.#isFirstLine && hasByteOrderMark(bytes) ? 1 : 0);
    this.#isFirstLine = false;
    if (line === "") return this.#takeEvent();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    return undefined;
  }

  #takeEvent(): SseEvent | undefined {
    const event = { type: this.#type, data: this.#data.join("\n") };
    const isEmpty = this.#data.length === 0;
    this.#data = [];
    this.#type = "";
    this.#eventBytes = 0;
    return isEmpty ? undefined : event;
  }

  #count(byteCount: number): void {
    this.#eventBytes += byteCount;
    if (this.#eventBytes > this.#eventBytesMax) this.isTooLarge = true;
  }
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}
