// Puts together the request message of a route: body, then query, then path.
import type { Message } from "@bufbuild/protobuf";
import { invalidRequest } from "../platform/errors.ts";
import type { JsonBody } from "../platform/json-body.ts";
import { formatPath, isJsonObject, problemAt } from "../platform/json-path.ts";
import { jsonKey } from "../platform/json-shape.ts";
import { isText, type Parameter, queryParameter, textToJson } from "./parameters.ts";
import type { Route } from "./route.ts";

/** What a REST request says. */
export type RestInput = {
  /** The body; undefined if there is none. */
  readonly body: JsonBody | undefined;
  /** What follows the question mark; empty if there is none. */
  readonly query: string;
  /** The texts of the path's variables, in the order of `route.parameters`. */
  readonly params: readonly string[];
};

/**
 * The request message. All parts become one JSON object, so that every rule and every error is the codec's: a
 * required field may come from any part, and the path wins.
 *
 * Throws `invalid_request`; `param` is the JSON path of the mistake or the name of the query parameter.
 */
export function bind(route: Route, { body, query, params }: RestInput): Message {
  const value = bodyValue(route, body);
  if (query === "" && params.length === 0) return route.codec.decode(value);
  const merged = { ...value };
  addQuery(route, query, merged);
  for (const [index, parameter] of route.parameters.entries()) {
    const { field, keys } = parameter;
    put(merged, keys, textToJson(field, params[index] ?? ""));
  }
  return route.codec.decode(merged);
}

function bodyValue(route: Route, body: JsonBody | undefined): Readonly<Record<string, unknown>> {
  if (route.body === "none") {
    if (body === undefined) return {};
    throw invalidRequest("This route takes no request body.");
  }
  if (body === undefined) throw invalidRequest("The request body is empty.");
  return route.body === "all" ? body.value : { [jsonKey(route.body)]: body.value };
}

function addQuery(route: Route, query: string, merged: Record<string, unknown>): void {
  const lists = new Map<string, unknown[]>();
  for (const [name, text] of new URLSearchParams(query)) {
    // SDKs write the name of a repeated parameter with brackets.
    const path = name.endsWith("[]") ? name.slice(0, -2) : name;
    const { field, keys } = findParameter(route, path);
    const list = lists.get(path);
    if (list !== undefined) {
      if (field.fieldKind !== "list") throw refuse(path, "the query parameter is there twice");
      list.push(textToJson(field, text));
      continue;
    }
    const value = textToJson(field, text);
    const values = [value];
    lists.set(path, values);
    put(merged, keys, field.fieldKind === "list" ? values : value);
  }
}

function findParameter(route: Route, path: string): Parameter {
  const parameter = queryParameter(route.method.input, path);
  if (parameter === undefined || isTaken(route, parameter)) {
    throw refuse(path, "unknown query parameter");
  }
  if (isText(parameter.field)) return parameter;
  throw refuse(path, "it cannot be a query parameter");
}

/** Whether the body or the path sets the field already. */
function isTaken(route: Route, { keys }: Parameter): boolean {
  if (route.body === "all") return true;
  if (route.body !== "none" && jsonKey(route.body) === keys[0]) return true;
  return route.parameters.some((other) => other.keys.join(".") === keys.join("."));
}

function refuse(path: string, reason: string): Error {
  const name = formatPath([path]);
  return invalidRequest(problemAt(name, reason).message, name);
}

/** Sets a value in nested objects; those of the body are copied, never changed. */
function put(object: Record<string, unknown>, keys: readonly string[], value: unknown): void {
  const [key = "", ...inner] = keys;
  if (inner.length === 0) {
    object[key] = value;
    return;
  }
  const nested = isJsonObject(object[key]) ? { ...object[key] } : {};
  put(nested, inner, value);
  object[key] = nested;
}
