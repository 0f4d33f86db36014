// Finds the route of a method and a path.
import type { DescService } from "@bufbuild/protobuf";
import { invalidRequest } from "../platform/errors.ts";
import type { JsonBody } from "../platform/json-body.ts";
import { type Route, routesOf } from "./route.ts";
import type { Segment, Template } from "./template.ts";

export type { Route } from "./route.ts";

/** The routes of a path and the texts in it. */
export type RouteFound = {
  readonly kind: "found";
  /** Routes that differ in `when` only: `pickRoute` takes one when the body is known. Never empty. */
  readonly alternatives: readonly [Route, ...Route[]];
  /** The decoded texts of the path's variables, in the order of `route.parameters`. */
  readonly params: readonly string[];
};

/** What a method and a path lead to. */
export type RouteMatch =
  | RouteFound
  /** The path is known, but not with this method: `allow` is the header's value, `route` one of the path's. */
  | { readonly kind: "wrong_method"; readonly allow: string; readonly route: Route }
  | { readonly kind: "not_found" };

/** The routes of all services. */
export type Routes = {
  /** Every route, in the order of the proto files. */
  readonly all: readonly Route[];
  /**
   * Finds the routes of a path without its query; HEAD counts as GET. A literal wins over `*`, and that over `**`.
   * The text after a colon is a verb only where such a verb is known: model ids have colons too.
   * Throws `invalid_request` for percent-escapes that are broken or no UTF-8.
   */
  readonly match: (httpMethod: string, path: string) => RouteMatch;
};

type Leaf = Map<string, [Route, ...Route[]]>;

type Node = {
  readonly literals: Map<string, Node>;
  one: Node | undefined;
  rest: Node | undefined;
  /** Routes that end here, by verb and HTTP method. */
  readonly leaves: Map<string, Leaf>;
};

/** Reads the routes of services; throws an Error for what cannot be served and for routes that collide. */
export function createRoutes(services: readonly DescService[]): Routes {
  const all = services.flatMap(({ methods }) => methods.flatMap(routesOf));
  const root = createNode();
  const verbs = new Set<string>();
  for (const route of all) {
    insert(root, route);
    if (route.template.verb !== "") verbs.add(route.template.verb);
  }
  const find = (httpMethod: string, path: string) => match(root, verbs, httpMethod, path);
  // Most requests go to a path without variables: what is found there is always the same.
  const fixed = new Map<string, RouteMatch>();
  for (const { httpMethod, template } of all) {
    const path = fixedPathOf(template);
    if (path !== undefined) fixed.set(`${httpMethod} ${path}`, find(httpMethod, path));
  }
  return {
    all,
    match: (httpMethod, path) => fixed.get(`${httpMethod} ${path}`) ?? find(httpMethod, path),
  };
}

/** The one path of a template; undefined where it has many. */
function fixedPathOf({ segments, verb }: Template): string | undefined {
  let path = "";
  for (const segment of segments) {
    if (segment.kind !== "literal") return undefined;
    path += `/${encodeURIComponent(segment.text)}`;
  }
  return verb === "" ? path : `${path}:${verb}`;
}

/** The route among alternatives that serves a body: the one whose `when` field is true, else the one without. */
export function pickRoute(
  alternatives: readonly [Route, ...Route[]],
  body: JsonBody | undefined,
): Route {
  const chosen = alternatives.find(({ when }) => when !== "" && body?.value[when] === true);
  return chosen ?? alternatives.find(({ when }) => when === "") ?? alternatives[0];
}

function createNode(): Node {
  return { literals: new Map(), one: undefined, rest: undefined, leaves: new Map() };
}

function insert(root: Node, route: Route): void {
  const { segments, verb } = route.template;
  const node = segments.reduce(child, root);
  const leaf = getOrAdd(node.leaves, verb, () => new Map());
  const others = leaf.get(route.httpMethod);
  if (others === undefined) leaf.set(route.httpMethod, [route]);
  else if (isAlternative(route, others)) others.push(route);
  else
    throw new Error(`${nameOf(route)} and ${nameOf(others[0])} have the same route ${route.path}`);
}

function nameOf({ method }: Route): string {
  return `${method.parent.typeName}.${method.name}`;
}

/** Two routes may share a path if a field of one and the same request tells which one is meant. */
function isAlternative(route: Route, others: readonly Route[]): boolean {
  return others.every(
    ({ method, when, path, body, errors }) =>
      when !== route.when &&
      path === route.path &&
      body === route.body &&
      errors === route.errors &&
      method.input === route.method.input,
  );
}

function child(node: Node, segment: Segment): Node {
  if (segment.kind === "literal") return getOrAdd(node.literals, segment.text, createNode);
  node[segment.kind] ??= createNode();
  return node[segment.kind] ?? createNode();
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const value = map.get(key) ?? create();
  map.set(key, value);
  return value;
}

function match(
  root: Node,
  verbs: ReadonlySet<string>,
  httpMethod: string,
  path: string,
): RouteMatch {
  if (!path.startsWith("/")) return { kind: "not_found" };
  const search = new Search(httpMethod === "HEAD" ? "GET" : httpMethod);
  const raw = path.slice(1).split("/");
  const last = raw.pop() ?? "";
  const segments = raw.map(decode);
  const colon = last.lastIndexOf(":");
  const verb = colon < 0 ? "" : decode(last.slice(colon + 1));
  const found =
    (verbs.has(verb) && search.find(root, [...segments, decode(last.slice(0, colon))], verb)) ||
    search.find(root, [...segments, decode(last)], "");
  if (found) return found;
  const { allow, other } = search;
  return other === undefined
    ? { kind: "not_found" }
    : { kind: "wrong_method", allow, route: other };
}

/** One walk through the trie, back and forth; remembers which methods would have been allowed. */
class Search {
  readonly #httpMethod: string;
  readonly #allowed = new Set<string>();
  /** A route of the path with another method. */
  other: Route | undefined = undefined;

  constructor(httpMethod: string) {
    this.#httpMethod = httpMethod;
  }

  /** Value of the header `allow`; empty if no path matched. */
  get allow(): string {
    if (this.#allowed.has("GET")) this.#allowed.add("HEAD");
    return [...this.#allowed].join(", ");
  }

  find(node: Node, segments: readonly string[], verb: string, depth = 0): RouteFound | undefined {
    const segment = segments[depth];
    if (segment === undefined) {
      return this.#end(node, segments, verb) ?? (node.rest && this.#end(node.rest, segments, verb));
    }
    const literal = node.literals.get(segment);
    const one = segment === "" ? undefined : node.one;
    return (
      (literal && this.find(literal, segments, verb, depth + 1)) ??
      (one && this.find(one, segments, verb, depth + 1)) ??
      (node.rest && this.#end(node.rest, segments, verb))
    );
  }

  #end(node: Node, segments: readonly string[], verb: string): RouteFound | undefined {
    const leaf = node.leaves.get(verb);
    const alternatives = leaf?.get(this.#httpMethod);
    if (alternatives === undefined) {
      for (const [method, [route]] of leaf ?? []) {
        this.#allowed.add(method);
        this.other ??= route;
      }
      return undefined;
    }
    const params = alternatives[0].template.variables.map(({ start, end }) =>
      segments.slice(start, end).join("/"),
    );
    return { kind: "found", alternatives, params };
  }
}

function decode(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw invalidRequest("The path has a percent-escape that is broken or not UTF-8.");
  }
}
