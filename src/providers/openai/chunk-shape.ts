// Recognises the chunks that differ from one we have read in their texts only, without parsing them.

import { Buffer } from "node:buffer";

const [quote, backslash, colon] = [0x22, 0x5c, 0x3a];

/** Keys of the texts that change from chunk to chunk and mean nothing to a gateway. */
const textKeys: ReadonlySet<string> = new Set([
  "content",
  "reasoning_content",
  "reasoning",
  "refusal",
  "arguments",
  "obfuscation",
]);

/**
 * The bytes of an event around its texts.
 *
 * An event of the same shape has the same id, time, model, index, null usage and null finish_reason as the
 * one that was read, because those stand in the bytes that are compared.
 */
export class ChunkShape {
  /** What stands before, between and behind the texts, quotes included. */
  readonly #segments: readonly Buffer[];
  readonly #modelSegment: number;
  readonly #modelOffset: number;

  /** The shape of an event whose model's member starts at `modelOffset`. */
  constructor(event: Buffer, modelOffset: number) {
    const texts = findTexts(event);
    const ends = [0, ...texts.map(([, end]) => end)];
    const starts = [...texts.map(([start]) => start), event.length];
    // Copies: the read's memory must not live as long as the stream.
    this.#segments = ends.map((end, at) => Buffer.from(event.subarray(end, starts[at])));
    this.#modelSegment = ends.findLastIndex((end) => end <= modelOffset);
    this.#modelOffset = modelOffset - (ends[this.#modelSegment] ?? 0);
  }

  /** Where the model's member stands in the event from `start` to `end`; -1 if it has another shape. */
  findModel(bytes: Buffer, start: number, end: number): number {
    let at = start;
    let model = -1;
    for (let i = 0; i < this.#segments.length; i += 1) {
      const segment = this.#segments[i];
      if (i > 0) at = findTextEnd(bytes, at);
      if (segment === undefined || at < 0 || at + segment.length > end) return -1;
      if (!standsAt(bytes, segment, at)) return -1;
      if (i === this.#modelSegment) model = at + this.#modelOffset;
      at += segment.length;
    }
    return at === end ? model : -1;
  }
}

/** Whether `expected`, or as much of it as there are bytes, stands at `at`. */
export function standsAt(bytes: Buffer, expected: Buffer, at: number): boolean {
  const length = Math.min(expected.length, bytes.length - at);
  // The native comparison pays from about here on.
  if (length > 48) return bytes.compare(expected, 0, length, at, at + length) === 0;
  for (let i = 0; i < length; i += 1) {
    if (bytes[at + i] !== expected[i]) return false;
  }
  return true;
}

/** Start and end of each text, quotes excluded. */
function findTexts(event: Buffer): [number, number][] {
  const texts: [number, number][] = [];
  let at = event.indexOf(quote);
  while (at >= 0) {
    const end = findTextEnd(event, at + 1);
    if (end < 0) break;
    const isMember = event[end + 1] === colon && event[end + 2] === quote;
    if (isMember && textKeys.has(event.toString("latin1", at + 1, end))) {
      const textEnd = findTextEnd(event, end + 3);
      if (textEnd < 0) break;
      texts.push([end + 3, textEnd]);
      at = event.indexOf(quote, textEnd + 1);
    } else {
      at = event.indexOf(quote, end + 1);
    }
  }
  return texts;
}

/** Where the quote stands that ends the text from `from` on; -1 if there is none. */
function findTextEnd(bytes: Buffer, from: number): number {
  let at = bytes.indexOf(quote, from);
  while (at >= 0 && isEscaped(bytes, at, from)) at = bytes.indexOf(quote, at + 1);
  return at;
}

function isEscaped(bytes: Buffer, at: number, from: number): boolean {
  let first = at;
  while (first > from && bytes[first - 1] === backslash) first -= 1;
  return (at - first) % 2 === 1;
}
