// Names a place in a JSON document, and says what is wrong there.

/** Keys and indexes from the top of a document down to one place in it. */
export type JsonPath = readonly (string | number)[];

/** One mistake. */
export type Problem = {
  /** Where, such as `messages[0].content`; empty for the whole document. */
  readonly path: string;
  /** The full sentence, safe to show: `Invalid 'n': expected a whole number, got a string.` */
  readonly message: string;
};

/** The client writes the keys, so that a path is cut: the longest that is shown, characters. */
const pathCharactersMax = 256;

/** The path as text: `messages[0].content`; keys that are no plain words stand in brackets. */
export function formatPath(path: JsonPath): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (text === "") text = key;
    else text += /^[\w$-]{1,64}$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    if (text.length > pathCharactersMax) return `${text.slice(0, pathCharactersMax)}…`;
  }
  return text;
}

/** A mistake as a sentence; `reason` has no full stop, such as `missing`. */
export function problemAt(path: string, reason: string): Problem {
  const place = path === "" ? "JSON" : `'${path}'`;
  return { path, message: `Invalid ${place}: ${reason}.` };
}

/** The JSON type of a value, in words. */
export function jsonTypeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "undefined") return "nothing";
  return `a ${typeof value}`;
}

/** Whether a value is a JSON object: neither null nor an array. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
