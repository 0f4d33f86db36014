// One pass over the bytes of a JSON text: how deep it is, where its members stand, whether a key is `__proto__`.

/** What the pass saw. Of a text that is not valid JSON it says nothing reliable but `tooDeep`. */
export type JsonScan = {
  /** The text is nested deeper than was allowed; the pass stopped there. */
  readonly tooDeep: boolean;
  /** Some object has the key `__proto__`, in whatever spelling. */
  readonly protoKey: boolean;
  /** Four offsets a top-level member: start and end of its key (quotes included), start and end of its value. */
  readonly members: readonly number[];
};

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const underscore = 0x5f;

/** Bytes of a string that are looked at one by one before `indexOf`, whose call costs as much, takes over. */
const shortStringBytes = 48;
/** The same once `indexOf` stopped at an escaped quote: a text with many of them is better read byte by byte. */
const patienceFactor = 8;

/** `__proto__` in the shortest and, every letter escaped, in the longest spelling, quotes included. */
const protoBytesMin = 11;
const protoBytesMax = 56;

/** Which bytes outside of strings mean something: 1 opens a level, 2 closes one, 3 is the rest. */
const marks = new Uint8Array(256);
for (const open of "{[") marks[open.charCodeAt(0)] = 1;
for (const close of "}]") marks[close.charCodeAt(0)] = 2;
for (const mark of '":,') marks[mark.charCodeAt(0)] = 3;

/** Scans a JSON text. Costs 1 to 1.5 ns a byte on Node, and 0.03 ns a byte of a long string without quotes. */
export function createJsonScan(bytes: Buffer, depthMax: number): JsonScan {
  const members: number[] = [];
  const end = bytes.length;
  let depth = 0;
  let protoKey = false;
  let wantsKey = true;
  for (let at = 0; at < end; at++) {
    const byte = bytes[at] ?? 0;
    const mark = marks[byte];
    if (mark === 0) continue;
    if (mark === 1) {
      if (++depth > depthMax) return { tooDeep: true, protoKey, members };
    } else if (mark === 2) {
      if (depth-- === 1 && !wantsKey) members.push(trimEnd(bytes, at));
    } else if (byte === quote) {
      const start = at;
      at = stringEnd(bytes, start);
      if (depth === 1 && wantsKey) {
        members.push(start, at + 1);
        wantsKey = false;
      }
      protoKey ||= mayBeProto(bytes, start, at) && isProtoKey(bytes, start, at);
    } else if (depth === 1) {
      if (byte === colon) members.push(skipSpace(bytes, at + 1));
      if (byte === comma) {
        members.push(trimEnd(bytes, at));
        wantsKey = true;
      }
    }
  }
  return { tooDeep: false, protoKey, members };
}

/** Offset of the quote that ends the string which begins at `start`, or of the end of the text. */
function stringEnd(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (let patience = shortStringBytes; ; patience *= patienceFactor) {
    const shortEnd = Math.min(at + patience, bytes.length);
    while (at < shortEnd) {
      const byte = bytes[at];
      if (byte === quote) return at;
      at += byte === backslash ? 2 : 1;
    }
    const next = bytes.indexOf(quote, at);
    if (next < 0) return bytes.length;
    if (!isEscaped(bytes, next, at)) return next;
    at = next + 1;
  }
}

/** Whether an odd number of backslashes stands before `at`; `from` is known to begin a character. */
function isEscaped(bytes: Buffer, at: number, from: number): boolean {
  let first = at;
  while (first > from && bytes[first - 1] === backslash) first--;
  return (at - first) % 2 === 1;
}

/** The check that every string pays: one byte, which nearly always says no. */
function mayBeProto(bytes: Buffer, start: number, end: number): boolean {
  const first = bytes[start + 1];
  if (first !== underscore && first !== backslash) return false;
  return end + 1 - start >= protoBytesMin && end + 1 - start <= protoBytesMax;
}

function isProtoKey(bytes: Buffer, start: number, end: number): boolean {
  if (bytes[skipSpace(bytes, end + 1)] !== colon) return false;
  try {
    return JSON.parse(bytes.toString("utf8", start, end + 1)) === "__proto__";
  } catch {
    return false; // a broken escape, which the parser will refuse
  }
}

function skipSpace(bytes: Buffer, start: number): number {
  let at = start;
  while ((bytes[at] ?? quote) <= 0x20) at++;
  return at;
}

function trimEnd(bytes: Buffer, end: number): number {
  let at = end;
  while ((bytes[at - 1] ?? quote) <= 0x20) at--;
  return at;
}
