// Turns the text of a conversation into hashed n-grams and dense measures, in one pass without allocation.

/** Buckets of the hashed n-grams, a power of two. */
export const bucketCount = 32_768;

/** Dense measures of a prompt. */
export const denseNames = [
  "bias",
  "length",
  "length of the very long",
  "words",
  "word length",
  "variety of words",
  "digits",
  "numbers",
  "capitals",
  "operators",
  "LaTeX",
  "code marks",
  "lines",
  "options",
  "option length",
  "questions",
  "other scripts",
  "commas",
  "quotes",
  "negations",
] as const;

/** Most UTF-16 units that are read of the head, and as many of the tail. */
const partCharsMax = 1_024;

/** Distinct n-grams that are kept of one prompt, at most: bounds the time of a decision. */
const gramsMax = 900;

/** Reads prompts; it belongs to one thread and is used again for each prompt. */
export type PromptReader = {
  /** Buckets of the last prompt; the first `gramCount` are valid. */
  readonly grams: Uint16Array;
  /** Dense measures of the last prompt, about 0 to 1 each. */
  readonly dense: Float64Array;
  /** Distinct n-grams of the last prompt. */
  gramCount: number;
  /** Reads one prompt; texts are the pieces of the conversation, in order. */
  read(text: string): void;
};

const asciiKinds = toKinds();
const letter = 1;
const digit = 2;
const space = 3;
const operator = 4;
const codeMark = 5;
const mark = 6;
const hashStart = 0x811c9dc5 | 0;

/** A reader with its own buffers. */
export function createPromptReader(): PromptReader {
  return new Reader();
}

class Reader implements PromptReader {
  readonly grams = new Uint16Array(gramsMax);
  readonly dense = new Float64Array(denseNames.length);
  gramCount = 0;
  /** Number of the prompt that last had a bucket. */
  readonly #seen = new Uint32Array(bucketCount);
  #prompt = 0;
  #counts = new Int32Array(16);
  #previousWord = 0;
  #wordHash = 0;
  #wordChars = 0;
  #wordDigits = 0;

  read(text: string): void {
    this.gramCount = 0;
    this.#prompt++;
    this.#counts.fill(0);
    this.#previousWord = 0;
    const chars = text.length;
    if (chars <= 2 * partCharsMax) this.#scan(text, 0, chars);
    else {
      this.#scan(text, 0, partCharsMax);
      this.#scan(text, chars - partCharsMax, chars);
    }
    this.#measure(chars);
  }

  #scan(text: string, from: number, to: number): void {
    const counts = this.#counts;
    this.#beginWord();
    let last = 10;
    for (let at = from; at < to; at++) {
      const code = text.charCodeAt(at);
      const kind = code < 128 ? (asciiKinds[code] ?? 0) : letter;
      if (kind === letter || kind === digit) {
        this.#extendWord(code, kind);
      } else {
        if (this.#wordChars > 0) this.#endWord();
        this.#countMark(code, kind, last, text.charCodeAt(at - 1) | 0);
      }
      if (code === 10) counts[9] = (counts[9] ?? 0) + 1;
      last = code;
    }
    if (this.#wordChars > 0) this.#endWord();
  }

  #beginWord(): void {
    this.#wordHash = hashStart;
    this.#wordChars = 0;
    this.#wordDigits = 0;
  }

  #extendWord(code: number, kind: number): void {
    const counts = this.#counts;
    let unit = code;
    if (kind === digit) {
      counts[0] = (counts[0] ?? 0) + 1;
      this.#wordDigits++;
      unit = 48;
    } else if (code >= 128) counts[1] = (counts[1] ?? 0) + 1;
    else if (code < 97) {
      counts[2] = (counts[2] ?? 0) + 1;
      unit = code + 32;
    }
    this.#wordHash = Math.imul(this.#wordHash ^ unit, 0x01000193);
    this.#wordChars++;
    if (this.#wordChars === 5) this.#add(this.#wordHash ^ 0x5bd1e995);
    // Scripts without spaces get their pairs of letters as words.
    if (code >= 0x3000 && this.#wordChars >= 2) this.#endWord();
  }

  #endWord(): void {
    const counts = this.#counts;
    const hash = this.#wordHash;
    counts[3] = (counts[3] ?? 0) + 1;
    counts[4] = (counts[4] ?? 0) + this.#wordChars;
    if (this.#wordDigits > 0) counts[5] = (counts[5] ?? 0) + 1;
    if (hash === notHash || hash === exceptHash) counts[15] = (counts[15] ?? 0) + 1;
    this.#add(hash);
    if (this.#previousWord !== 0) {
      this.#add(Math.imul(this.#previousWord, 0x85ebca6b) ^ hash);
    }
    this.#previousWord = hash;
    this.#beginWord();
  }

  #countMark(code: number, kind: number, last: number, before: number): void {
    const counts = this.#counts;
    if (kind === operator) counts[6] = (counts[6] ?? 0) + 1;
    else if (kind === codeMark) counts[8] = (counts[8] ?? 0) + 1;
    if (code === 92 || code === 36) counts[7] = (counts[7] ?? 0) + 1;
    if (code === 63) counts[11] = (counts[11] ?? 0) + 1;
    if (code === 44) counts[12] = (counts[12] ?? 0) + 1;
    if (code === 34) counts[13] = (counts[13] ?? 0) + 1;
    // "A." and "A)" are the options of a question.
    if (
      (code === 46 || code === 41) &&
      last >= 65 &&
      last <= 74 &&
      (before === 10 || before === 32 || before === last)
    ) {
      counts[10] = (counts[10] ?? 0) + 1;
    }
    if (kind !== space && kind !== mark) this.#add(Math.imul(code + 7, 0x9e3779b1));
  }

  #add(hash: number): void {
    let mixed = hash ^ (hash >>> 15);
    mixed = Math.imul(mixed, 0x2c1b3c6d);
    const bucket = (mixed ^ (mixed >>> 13)) & (bucketCount - 1);
    if (this.#seen[bucket] === this.#prompt || this.gramCount === gramsMax) return;
    this.#seen[bucket] = this.#prompt;
    this.grams[this.gramCount++] = bucket;
  }

  #measure(chars: number): void {
    const counts = this.#counts;
    const { dense } = this;
    const read = Math.max(1, Math.min(chars, 2 * partCharsMax));
    const words = Math.max(1, counts[3] ?? 0);
    dense[0] = 1;
    dense[1] = Math.log1p(chars) / 8;
    dense[2] = Math.max(0, Math.log1p(chars) - 6) / 4;
    dense[3] = Math.log1p(words) / 6;
    dense[4] = Math.min(2, (counts[4] ?? 0) / words / 8);
    dense[5] = Math.min(1, this.gramCount / (words * 3));
    dense[6] = share(counts[0], read, 5);
    dense[7] = Math.log1p(counts[5] ?? 0) / 4;
    dense[8] = share(counts[2], read, 5);
    dense[9] = share(counts[6], read, 10);
    dense[10] = share(counts[7], read, 10);
    dense[11] = share(counts[8], read, 10);
    dense[12] = Math.log1p(counts[9] ?? 0) / 4;
    dense[13] = Math.min(1, (counts[10] ?? 0) / 10);
    dense[14] = (counts[10] ?? 0) > 1 ? Math.log1p(read / (counts[10] ?? 1)) / 8 : 0;
    dense[15] = Math.min(1, (counts[11] ?? 0) / 4);
    dense[16] = share(counts[1], read, 2);
    dense[17] = share(counts[12], read, 20);
    dense[18] = share(counts[13], read, 20);
    dense[19] = Math.min(1, (counts[15] ?? 0) / 3);
  }
}

const notHash = hashOf("not");
const exceptHash = hashOf("except");

function hashOf(word: string): number {
  let hash = hashStart;
  for (let at = 0; at < word.length; at++) {
    hash = Math.imul(hash ^ word.charCodeAt(at), 0x01000193);
  }
  return hash;
}

function share(count: number | undefined, total: number, scale: number): number {
  return Math.min(1, ((count ?? 0) / total) * scale);
}

function toKinds(): Uint8Array {
  const kinds = new Uint8Array(128).fill(6);
  for (let code = 0; code < 128; code++) {
    const text = String.fromCharCode(code);
    if (/[a-z]/i.test(text)) kinds[code] = 1;
    else if (/[0-9]/.test(text)) kinds[code] = 2;
    else if (/\s/.test(text)) kinds[code] = 3;
    else if (/[+*/=<>^%$\\|~]/.test(text)) kinds[code] = 4;
    else if (/[{}[\]();_@#&`]/.test(text)) kinds[code] = 5;
  }
  return kinds;
}
