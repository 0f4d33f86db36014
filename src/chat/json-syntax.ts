// Whether a text that comes in pieces is JSON so far. Source: RFC 8259.

/** What may come next: in a document, a string, a word or a number. */
type State = "value" | "item" | "member" | "key" | "colon" | "after" | "string" | "escape" | "hex";
type NumberState = "minus" | "zero" | "integer" | "point" | "fraction" | "e" | "sign" | "exponent";

/** Deeper texts are a model's loop, not an answer. */
const depthMax = 1_000;

const space = /[ \t\n\r]/;
/** Characters of a string up to the next that means something. */
const plainText = /[^"\\\p{Cc}]*/uy;
const words: Readonly<Record<string, string>> = { t: "rue", f: "alse", n: "ull" };

/** What each character makes of a number; what none of these takes ends a number that may end. */
const numbers: Readonly<Record<NumberState, readonly (readonly [RegExp, NumberState])[]>> = {
  minus: [
    [/0/, "zero"],
    [/[1-9]/, "integer"],
  ],
  zero: [
    [/\./, "point"],
    [/e/i, "e"],
  ],
  integer: [
    [/\d/, "integer"],
    [/\./, "point"],
    [/e/i, "e"],
  ],
  point: [[/\d/, "fraction"]],
  fraction: [
    [/\d/, "fraction"],
    [/e/i, "e"],
  ],
  e: [
    [/[+-]/, "sign"],
    [/\d/, "exponent"],
  ],
  sign: [[/\d/, "exponent"]],
  exponent: [[/\d/, "exponent"]],
};
const mayEnd: ReadonlySet<string> = new Set(["zero", "integer", "fraction", "exponent"]);

/** Reads one document, a character once: what it keeps is the open brackets. */
export class JsonSyntax {
  #state: State = "value";
  /** The number that is being read. */
  #number: NumberState | undefined;
  /** What is left of a word that is being read. */
  #word = "";
  #isKey = false;
  #hexLeft = 0;
  readonly #open: ("{" | "[")[] = [];
  readonly #needsObject: boolean;

  /** `needsObject`: the document must be an object, not just any value. */
  constructor(needsObject: boolean) {
    this.#needsObject = needsObject;
  }

  /** Whether the document is whole: more could only be white space, or digits of a number. */
  get isWhole(): boolean {
    const isNumber = this.#number === undefined || mayEnd.has(this.#number);
    const isOpen = this.#open.length > 0 || this.#word !== "";
    return !isOpen && isNumber && (this.#state === "after" || this.#number !== undefined);
  }

  /** Takes the next piece; false if the text can never become JSON, after which it must not be called again. */
  push(text: string): boolean {
    for (let at = 0; at < text.length; at += 1) {
      if (this.#state === "string") {
        plainText.lastIndex = at;
        at += plainText.exec(text)?.[0].length ?? 0;
      }
      const character = text[at];
      if (character !== undefined && !this.#take(character)) return false;
    }
    return true;
  }

  #take(character: string): boolean {
    if (this.#number !== undefined) return this.#takeOfNumber(this.#number, character);
    if (this.#word !== "") return this.#takeOfWord(character);
    if (this.#state === "string") return this.#takeOfString(character);
    if (this.#state === "escape") return this.#takeOfEscape(character);
    if (this.#state === "hex") {
      this.#hexLeft -= 1;
      if (this.#hexLeft === 0) this.#state = "string";
      return /[\da-f]/i.test(character);
    }
    return space.test(character) || this.#takeOfDocument(character);
  }

  #takeOfDocument(character: string): boolean {
    const state = this.#state;
    if (state === "after") return this.#takeAfter(character);
    if (state === "colon") return this.#expect(character === ":", "value");
    if (state === "member" && character === "}") return this.#close("{");
    if (state === "item" && character === "]") return this.#close("[");
    if (state === "member" || state === "key") {
      this.#isKey = true;
      return this.#expect(character === '"', "string");
    }
    return this.#takeOfValue(character);
  }

  #takeOfValue(character: string): boolean {
    if (this.#needsObject && this.#open.length === 0 && character !== "{") return false;
    if (character === "{" || character === "[") {
      this.#open.push(character);
      return this.#expect(this.#open.length <= depthMax, character === "{" ? "member" : "item");
    }
    if (character === '"') {
      this.#isKey = false;
      return this.#expect(true, "string");
    }
    this.#state = "after";
    this.#word = words[character] ?? "";
    if (this.#word !== "") return true;
    if (character === "-") this.#number = "minus";
    else this.#number = toNext("minus", character);
    return this.#number !== undefined;
  }

  #takeAfter(character: string): boolean {
    const inside = this.#open.at(-1);
    if (inside === undefined) return false;
    if (character === ",") return this.#expect(true, inside === "{" ? "key" : "value");
    return this.#close(character === "}" ? "{" : "[") && (character === "}" || character === "]");
  }

  #takeOfNumber(number: NumberState, character: string): boolean {
    this.#number = toNext(number, character);
    if (this.#number !== undefined) return true;
    return mayEnd.has(number) && this.#take(character);
  }

  #takeOfWord(character: string): boolean {
    const isNext = this.#word[0] === character;
    this.#word = this.#word.slice(1);
    return isNext;
  }

  #takeOfString(character: string): boolean {
    if (character === "\\") return this.#expect(true, "escape");
    // DEL and the C1 controls are text to JSON.
    if (character !== '"') return character >= " ";
    return this.#expect(true, this.#isKey ? "colon" : "after");
  }

  #takeOfEscape(character: string): boolean {
    this.#hexLeft = 4;
    return this.#expect(/["\\/bfnrtu]/.test(character), character === "u" ? "hex" : "string");
  }

  #close(bracket: "{" | "["): boolean {
    return this.#expect(this.#open.pop() === bracket, "after");
  }

  #expect(isGood: boolean, next: State): boolean {
    this.#state = next;
    return isGood;
  }
}

function toNext(state: NumberState, character: string): NumberState | undefined {
  return numbers[state].find(([pattern]) => pattern.test(character))?.[1];
}
