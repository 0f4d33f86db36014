// Reads a prompt in one pass: its hashed words and pairs of words, and a few numbers about its shape.

/** Words and pairs of words fall into so many buckets. */
export const bucketCount = 2 ** 15;

/** The numbers about a prompt's shape, each the logarithm of 1 + a count, in this order. */
export const shapeNames = [
  "characters",
  "words",
  "lines",
  "digits",
  "operators",
  "latex",
  "brackets",
  "questions",
  "punctuation",
  "capitals",
  "quotes",
  "underscores",
  "non-ascii",
  "code words",
  "options",
  "option characters",
] as const;

/** Characters read of a long prompt: half from its beginning, half from its end. */
const charsMax = 2_048;
/** FNV-1a's, 32 bits. */
const hashStart = -2128831035;
const hashFactor = 16777619;
const lineFeed = 10;
const space = 32;
const codeWords: ReadonlySet<number> = new Set(
  ["def", "return", "assert", "function", "import", "class", "const", "select", "print"].map(hash),
);

/** What was read; its arrays are used again by the next prompt. */
export class TextFeatures {
  /** Distinct buckets, the first `count` of them. */
  readonly ids = new Int32Array(2 * charsMax + 2);
  count = 0;
  /** As `shapeNames`. */
  readonly shape = new Float64Array(shapeNames.length);
  /** The reading in which a bucket was last seen, so that nothing has to be cleared. */
  readonly #seen = new Uint32Array(bucketCount);
  #reading = 0;
  #previous = 0;

  /** Reads a prompt; costs some 10 µs for 2 kB. */
  read(text: string): void {
    this.count = 0;
    this.#previous = 0;
    this.#reading = (this.#reading + 1) >>> 0 || 1;
    this.shape.fill(0);
    if (text.length <= charsMax) this.#readPart(text, 0, text.length);
    else {
      this.#readPart(text, 0, charsMax / 2);
      this.#previous = 0;
      this.#readPart(text, text.length - charsMax / 2, text.length);
    }
    this.shape[0] = text.length;
    const { shape } = this;
    const options = shape[14] ?? 0;
    shape[15] = options === 0 ? 0 : (shape[15] ?? 0) / options;
    for (let at = 0; at < shape.length; at += 1) shape[at] = Math.log1p(shape[at] ?? 0);
  }

  #readPart(text: string, start: number, end: number): void {
    let inOption = false;
    let lineStart = start;
    for (let at = start; at < end; ) {
      const code = text.charCodeAt(at);
      if (code === lineFeed) {
        this.#bump(2);
        lineStart = at + 1;
        inOption = false;
      }
      if (inOption) this.#bump(15);
      if (code <= space) {
        at += 1;
        continue;
      }
      const next = isLetter(code)
        ? this.#readWord(text, at, end)
        : isDigit(code)
          ? this.#readNumber(text, at, end)
          : this.#readSign(code, at);
      if (at === lineStart && next === at + 1 && isOption(code, text.charCodeAt(next))) {
        this.#bump(14);
        inOption = true;
      }
      if (inOption) this.#bump(15, next - at - 1);
      at = next;
    }
  }

  #readWord(text: string, start: number, end: number): number {
    let value = hashStart;
    let at = start;
    for (; at < end; at += 1) {
      const code = text.charCodeAt(at);
      if (!isLetter(code)) break;
      if (code < 97) this.#bump(9);
      value = Math.imul(value ^ (code | 32), hashFactor);
    }
    this.#bump(1);
    if (codeWords.has(value)) this.#bump(13);
    this.#add(value);
    return at;
  }

  /** Numbers differ by their length alone. */
  #readNumber(text: string, start: number, end: number): number {
    let at = start;
    while (at < end && isDigit(text.charCodeAt(at))) at += 1;
    this.#bump(3, at - start);
    this.#bump(1);
    this.#add(Math.imul(hashStart ^ (48 + Math.min(3, at - start)), hashFactor));
    return at;
  }

  #readSign(code: number, at: number): number {
    const kind = signKinds[code] ?? (code > 127 ? 12 : 0);
    if (kind > 0) this.#bump(kind);
    this.#add(Math.imul(hashStart ^ code, hashFactor));
    return at + 1;
  }

  #bump(place: number, by = 1): void {
    this.shape[place] = (this.shape[place] ?? 0) + by;
  }

  #add(value: number): void {
    this.#note(value);
    if (this.#previous !== 0) this.#note(value ^ Math.imul(this.#previous, 0x85ebca6b));
    this.#previous = value;
  }

  #note(value: number): void {
    const mixed = Math.imul(value ^ (value >>> 15), 0x9e3779b1);
    const id = mixed >>> 17;
    if (this.#seen[id] === this.#reading) return;
    this.#seen[id] = this.#reading;
    this.ids[this.count] = id;
    this.count += 1;
  }
}

/** Place in the shape of each sign. */
const signKinds: (number | undefined)[] = [];
for (const [place, signs] of [
  [4, "+-*/=<>^%|&"],
  [5, "\\$}{"],
  [6, "()[]"],
  [7, "?"],
  [8, ".,;:!"],
  [10, "\"'`"],
  [11, "_"],
] as const) {
  for (const sign of signs) signKinds[sign.charCodeAt(0)] = place;
}

/** FNV-1a of a word in small letters. */
function hash(word: string): number {
  let value = hashStart;
  for (let at = 0; at < word.length; at += 1) {
    value = Math.imul(value ^ word.charCodeAt(at), hashFactor);
  }
  return value;
}

function isLetter(code: number): boolean {
  const small = code | 32;
  return small >= 97 && small <= 122;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** A line that begins with "A." to "J)". */
function isOption(code: number, next: number): boolean {
  return code >= 65 && code <= 74 && (next === 46 || next === 41);
}
