// A JSON request body that was checked once: its bytes, its value and where its members stand.
import { isUtf8 } from "node:buffer";
import { invalidRequest } from "./errors.ts";
import { formatPath, isJsonObject } from "./json-path.ts";
import { createJsonScan, type JsonScan } from "./json-scan.ts";

/** A checked JSON object and the places of its top-level members in the bytes. */
export type JsonBody = {
  /** Exactly what the client sent: valid UTF-8, at most 64 levels deep, no member twice at the top level. */
  readonly bytes: Uint8Array;
  /** The parsed object. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Four offsets a top-level member: start and end of its key (quotes included), start and end of its value. */
  readonly members: readonly number[];
};

const comma = new Uint8Array([0x2c]);

/**
 * Checks and parses a request body.
 *
 * Throws `invalid_request` for a body that is empty, is not UTF-8, is not JSON, is no object, is nested deeper
 * than `depthMax` levels, has a top-level member twice or a key `__proto__` anywhere. `depthMax` is 64 by default:
 * real requests have below 20 levels, and JSON.parse blocks for seconds on a million. The depth is therefore
 * known before anything is parsed.
 */
export function parseJsonBody(bytes: Uint8Array, depthMax = 64): JsonBody {
  if (bytes.byteLength === 0) throw invalidRequest("The request body is empty.");
  if (!isUtf8(bytes)) throw invalidRequest("The request body is not valid UTF-8.");
  const buffer = bufferOver(bytes);
  const scan = createJsonScan(buffer, depthMax);
  if (scan.tooDeep) {
    throw invalidRequest(`The request body is nested deeper than ${depthMax} levels.`);
  }
  const value = parseObject(buffer);
  checkKeys(buffer, value, scan);
  return { bytes, value, members: scan.members };
}

/** The bytes of a top-level member's value, without a copy; undefined if there is no such member. */
export function readMember(body: JsonBody, name: string): Uint8Array | undefined {
  const at = findMember(body, name);
  if (at === undefined) return undefined;
  return body.bytes.subarray(body.members[at + 2], body.members[at + 3]);
}

/**
 * The body's bytes with some top-level members changed; all else stays as the client wrote it.
 *
 * `edits` maps names to the JSON of their new values, or to undefined for members to remove. What is absent is
 * added at the end.
 */
export function editMembers(
  body: JsonBody,
  edits: ReadonlyMap<string, Uint8Array | undefined>,
): Uint8Array {
  const { bytes, members } = body;
  const pieces = new Pieces(bytes, members[0] ?? bytes.indexOf(0x7b) + 1);
  const { changed, added } = sortEdits(body, edits);
  let kept = 0;
  let keptBefore = false;
  for (let at = 0; at < members.length; at += 4) {
    const value = changed.get(at);
    const isKept = value !== undefined || !changed.has(at);
    if (isKept) {
      if (!keptBefore && at > 0) pieces.skipTo(members[at] ?? 0, kept > 0);
      if (value === undefined) pieces.copyTo(members[at + 3] ?? 0);
      else pieces.replace(value, members[at + 2] ?? 0, members[at + 3] ?? 0);
      kept++;
    }
    keptBefore = isKept;
  }
  for (const [name, value] of added) {
    if (kept++ > 0) pieces.insert(comma);
    pieces.insert(Buffer.from(`${JSON.stringify(name)}:`));
    pieces.insert(value);
  }
  return pieces.join(members.at(-1));
}

/** A text that grows by stretches of an old one and by new pieces; joined in one allocation. */
class Pieces {
  readonly #bytes: Uint8Array;
  readonly #list: Uint8Array[] = [];
  // The stretch of the old text that is copied next: it grows as long as nothing is changed.
  #from = 0;
  #to: number;

  constructor(bytes: Uint8Array, prefixEnd: number) {
    this.#bytes = bytes;
    this.#to = prefixEnd;
  }

  copyTo(end: number): void {
    this.#to = end;
  }

  skipTo(start: number, withComma: boolean): void {
    this.insert(withComma ? comma : undefined);
    this.#from = start;
    this.#to = start;
  }

  replace(piece: Uint8Array, start: number, end: number): void {
    this.#to = start;
    this.insert(piece);
    this.#from = end;
    this.#to = end;
  }

  insert(piece: Uint8Array | undefined): void {
    if (this.#to > this.#from) this.#list.push(this.#bytes.subarray(this.#from, this.#to));
    this.#from = this.#to;
    if (piece !== undefined) this.#list.push(piece);
  }

  join(suffixStart = this.#to): Uint8Array {
    if (suffixStart !== this.#to) this.skipTo(suffixStart, false);
    this.copyTo(this.#bytes.byteLength);
    this.insert(undefined);
    return Buffer.concat(this.#list);
  }
}

function sortEdits(body: JsonBody, edits: ReadonlyMap<string, Uint8Array | undefined>) {
  const changed = new Map<number, Uint8Array | undefined>();
  const added: [string, Uint8Array][] = [];
  for (const [name, value] of edits) {
    const at = findMember(body, name);
    if (at !== undefined) changed.set(at, value);
    else if (value !== undefined) added.push([name, value]);
  }
  return { changed, added };
}

/** Where in `members` a member's offsets begin. */
function findMember({ bytes, value, members }: JsonBody, name: string): number | undefined {
  if (!Object.hasOwn(value, name)) return undefined;
  for (let at = 0; at < members.length; at += 4) {
    if (isKey(bytes, members[at] ?? 0, members[at + 1] ?? 0, name)) return at;
  }
  return undefined;
}

/** Whether a key, quotes included, spells a name: in plain ASCII, or with escapes and other characters. */
function isKey(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  for (let at = start + 1; at < end - 1; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80 || byte === 0x5c) return readKey(bytes, start, end) === name;
    if (byte !== name.charCodeAt(at - start - 1)) return false;
  }
  return end - start - 2 === name.length;
}

function readKey(bytes: Uint8Array, start: number, end: number): string {
  const key: unknown = JSON.parse(bufferOver(bytes.subarray(start, end)).toString());
  return String(key);
}

function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function parseObject(buffer: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(buffer.toString("utf8"));
  } catch (cause) {
    // V8's own message may quote the body: of it only the position is shown.
    const [position] = /at position \d+/.exec(String(cause)) ?? [];
    throw invalidRequest(`The request body is not valid JSON${position ? ` ${position}` : ""}.`);
  }
  if (isJsonObject(value)) return value;
  throw invalidRequest("The request body must be a JSON object.");
}

function checkKeys(buffer: Buffer, value: Record<string, unknown>, scan: JsonScan): void {
  // A name that comes twice is one key of the object but two members of the text.
  if (Object.keys(value).length < scan.members.length / 4) {
    const name = findTwice(buffer, scan.members);
    const path = formatPath([name]);
    throw invalidRequest(`Invalid '${path}': the member is there twice.`, path);
  }
  if (scan.protoKey) {
    const path = formatPath(findProtoKey(value) ?? ["__proto__"]);
    throw invalidRequest(`Invalid '${path}': this key is not allowed.`, path);
  }
}

function findTwice(buffer: Buffer, members: readonly number[]): string {
  const seen = new Set<string>();
  for (let at = 0; at < members.length; at += 4) {
    const name = readKey(buffer, members[at] ?? 0, members[at + 1] ?? 0);
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return "";
}

/** The path of the first key `__proto__`. The depth is bounded by the check before. */
function findProtoKey(value: unknown): (string | number)[] | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (Object.hasOwn(value, "__proto__")) return ["__proto__"];
  const isArray = Array.isArray(value);
  for (const [key, inner] of Object.entries(value)) {
    const path = findProtoKey(inner);
    if (path) return [isArray ? Number(key) : key, ...path];
  }
  return undefined;
}
