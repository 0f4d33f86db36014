// Narrows parsed JSON values; of what a provider sends nothing is known.

/** Whether the value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether the value is a string. */
export function isString(value: unknown): value is string {
  return typeof value === "string";
}

/** The value if it is a string with characters in it. */
export function toFilledString(value: unknown): string | undefined {
  return isString(value) && value !== "" ? value : undefined;
}

/** The value if it is an integer, 0 or more. */
export function toCount(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** The value if it is an object, else an empty one. */
export function toObject(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}

/** The members of an array as objects; none of anything else. */
export function toObjects(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value.map(toObject) : [];
}

/** The object in a text; undefined for anything else. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    // The caller knows whether half an event means a cut or a server that speaks something else.
    return undefined;
  }
}

/** The members of an object that are not among the known ones. */
export function namesBeyond(
  value: Readonly<Record<string, unknown>>,
  known: ReadonlySet<string>,
): string[] {
  return Object.keys(value).filter((name) => !known.has(name));
}

/** Those of the names that an object has as members. */
export function namesIn(
  value: Readonly<Record<string, unknown>>,
  names: readonly string[],
): string[] {
  return names.filter((name) => Object.hasOwn(value, name));
}
