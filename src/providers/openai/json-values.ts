// Narrows parsed JSON values.

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
