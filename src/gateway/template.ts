// Parses path templates of google.api.http, such as /v1/models/{model=**}:verb.
//
// Source: google/api/http.proto, "Path template syntax". What is never used here is refused: variables in variables.

/** One place of a path: a text, any one segment, or all that is left. */
export type Segment =
  | { readonly kind: "literal"; readonly text: string }
  | { readonly kind: "one" }
  | { readonly kind: "rest" };

/** A field that takes its value from the path. */
export type TemplateVariable = {
  /** Field path in proto names: `key_id` or `key.id`. */
  readonly path: string;
  /** The first segment that belongs to it. */
  readonly start: number;
  /** The first segment after it; undefined if it takes all that is left. */
  readonly end: number | undefined;
};

/** A parsed template. */
export type Template = {
  readonly segments: readonly Segment[];
  readonly variables: readonly TemplateVariable[];
  /** What follows the colon; empty if there is none. */
  readonly verb: string;
};

const literalPattern = /(?:[\w.~-]|%[0-9A-Fa-f]{2})+/y;
const fieldPathPattern = /[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*/y;

/** Parses a template; throws an Error that names the place of the mistake. Literals are decoded. */
export function parseTemplate(text: string): Template {
  const parser = new TemplateParser(text);
  parser.expect("/");
  parser.segments(undefined);
  const verb = parser.take(":") ? parser.literal("a verb") : "";
  parser.end();
  return { segments: parser.found, variables: parser.variables, verb };
}

class TemplateParser {
  readonly found: Segment[] = [];
  readonly variables: TemplateVariable[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  segments(variable: string | undefined): void {
    do this.#segment(variable);
    while (this.take("/"));
  }

  literal(expected: string): string {
    const literal = this.#match(literalPattern);
    if (literal === undefined) return this.#fail(`expected ${expected}`);
    try {
      return decodeURIComponent(literal);
    } catch {
      return this.#fail("the percent-escapes are no UTF-8");
    }
  }

  take(mark: string): boolean {
    if (!this.#text.startsWith(mark, this.#at)) return false;
    this.#at += mark.length;
    return true;
  }

  expect(mark: string): void {
    if (!this.take(mark)) this.#fail(`expected '${mark}'`);
  }

  end(): void {
    if (this.#at < this.#text.length) this.#fail(`unexpected '${this.#text[this.#at]}'`);
  }

  #segment(variable: string | undefined): void {
    if (this.found.at(-1)?.kind === "rest") this.#fail("'**' must be last");
    if (this.take("{")) this.#variable(variable);
    else if (this.take("**")) this.found.push({ kind: "rest" });
    else if (this.take("*")) this.found.push({ kind: "one" });
    else this.found.push({ kind: "literal", text: this.literal("a segment") });
  }

  #variable(outer: string | undefined): void {
    if (outer !== undefined) this.#fail(`a variable inside of '${outer}' is not supported`);
    const path = this.#match(fieldPathPattern) ?? this.#fail("expected a field path");
    if (this.variables.some((variable) => variable.path === path)) {
      this.#fail(`variable '${path}' is there twice`);
    }
    const start = this.found.length;
    if (this.take("=")) this.segments(path);
    else this.found.push({ kind: "one" });
    this.expect("}");
    const takesRest = this.found.at(-1)?.kind === "rest";
    this.variables.push({ path, start, end: takesRest ? undefined : this.found.length });
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#text)?.[0];
    this.#at += text?.length ?? 0;
    return text;
  }

  #fail(reason: string): never {
    throw new Error(`path template '${this.#text}': ${reason} at character ${this.#at + 1}`);
  }
}
