// Reads JSON that a provider sent, of whose shape nothing is known: what is none of it is empty, never an error.
import type { JsonObject } from "./dialect.ts";

/** The object, {} for anything else. */
export function toObject(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/** The objects of an array, [] for anything else. */
export function toObjects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.map(toObject) : [];
}

/** A count that is part of another one: 0 where nobody says it. */
export function toCount(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
