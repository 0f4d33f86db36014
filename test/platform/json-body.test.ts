import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OptamilError } from "../../src/platform/errors.ts";
import { editMembers, parseJsonBody, readMember } from "../../src/platform/json-body.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

/** The refusal of a body, as message and param. */
function refusalOf(body: string | Uint8Array): { message: string; param: string | undefined } {
  try {
    parseJsonBody(typeof body === "string" ? bytesOf(body) : body);
  } catch (error) {
    if (!(error instanceof OptamilError)) throw error;
    expect(error.code).toBe("invalid_request");
    return { message: error.message, param: error.param };
  }
  throw new Error("the body was not refused");
}

describe("a request body", () => {
  it.each<[string, string | Uint8Array, string]>([
    ["empty", "", "The request body is empty."],
    ["broken UTF-8", new Uint8Array([0x7b, 0xff, 0x7d]), "The request body is not valid UTF-8."],
    ["only spaces", "  \n", "The request body is not valid JSON."],
    ["cut off", '{"a":[1', "The request body is not valid JSON at position 7."],
    ["cut off in a string", '{"a":"b', "The request body is not valid JSON at position 7."],
    ["followed by more", "{} x", "The request body is not valid JSON at position 3."],
    ["preceded by a byte order mark", "\uFEFF{}", "The request body is not valid JSON."],
    ["an array", "[1]", "The request body must be a JSON object."],
    ["null", "null", "The request body must be a JSON object."],
    ["a string", '"{}"', "The request body must be a JSON object."],
  ])("that is %s is refused", (_name, body, message) => {
    expect(refusalOf(body)).toEqual({ message, param: undefined });
  });

  it("is taken at 64 levels and refused at 65", () => {
    const nested = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
    expect(parseJsonBody(bytesOf(nested(64))).members).toHaveLength(4);
    expect(refusalOf(nested(65)).message).toBe("The request body is nested deeper than 64 levels.");
  });

  it("of a million levels is refused before it is parsed", () => {
    const start = performance.now();
    expect(refusalOf("[".repeat(1_000_000)).message).toMatch(/deeper than 64/);
    expect(refusalOf(`{"a":${'{"a":'.repeat(300_000)}`).message).toMatch(/deeper than 64/);
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it("may have brackets and escaped quotes in its strings at no cost in depth", () => {
    const text = `${"[{".repeat(100)}\\"]"\\`;
    const body = parseJsonBody(bytesOf(JSON.stringify({ text, [text]: 1 })));
    expect(body.value).toEqual({ text, [text]: 1 });
  });

  it.each([
    ["plainly", '{"model":"a","n":1,"model":"b"}', "model"],
    ["in other letters", '{"model":"a","mod\\u0065l":"b"}', "model"],
    ["with an empty name", '{"":1,"":2}', ""],
  ])("with a member twice, %s, is refused by the member's name", (_name, body, name) => {
    const { message, param } = refusalOf(body);
    expect(message).toBe(`Invalid '${name}': the member is there twice.`);
    expect(param).toBe(name);
  });

  it.each([
    ["at the top", '{"__proto__":{}}', "__proto__"],
    ["in a list", '{"messages":[{"__proto__" : 1}]}', "messages[0].__proto__"],
    ["after a space", '{"a":{"b":{ "c": 1, "__proto__"\n:1}}}', "a.b.__proto__"],
    ["escaped at its start", '{"a":{"\\u005f_proto__":1}}', "a.__proto__"],
    ["escaped inside", '{"a":{"__pr\\u006Fto__":1}}', "a.__proto__"],
    [
      "escaped all over",
      `{"a":{"${[..."__proto__"].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join("")}":1}}`,
      "a.__proto__",
    ],
  ])("with a key __proto__ %s is refused by its path", (_name, body, path) => {
    expect(refusalOf(body)).toEqual({
      message: `Invalid '${path}': this key is not allowed.`,
      param: path,
    });
  });

  it.each([
    '{"a":"__proto__"}',
    '{"a":["__proto__","\\u005f_proto__"]}',
    '{"__proto":1}',
    '{"a":"\\"__proto__\\":"}',
  ])("that only speaks of __proto__ is taken: %s", (text) => {
    expect(parseJsonBody(bytesOf(text)).value).toEqual(JSON.parse(text));
  });

  it("that is a view into a larger buffer is read at its place", () => {
    const text = 'xx{"a":1}yy';
    const body = parseJsonBody(bytesOf(text).subarray(2, 9));
    expect(body.value).toEqual({ a: 1 });
    expect(textOf(readMember(body, "a"))).toBe("1");
  });
});

/** A JSON text with spaces at all places where they may be. */
function spaced(value: unknown, space: string): string {
  if (Array.isArray(value)) {
    return `[${value.map((one) => `${space}${spaced(one, space)}`).join(`${space},`)}${space}]`;
  }
  if (typeof value === "object" && value !== null) {
    const members = Object.entries(value).map(
      ([key, one]) =>
        `${space}${JSON.stringify(key)}${space}:${space}${spaced(one, space)}${space}`,
    );
    return `{${members.join(",")}${space}}`;
  }
  return JSON.stringify(value);
}

// Once it saw a key that ends in a backslash, V8 mistakes other keys for it (nodejs/node#63785).
const isKey = (name: string) => name !== "__proto__" && !name.endsWith("\\");
const isAllowed = (value: unknown): boolean =>
  Object.keys(Object(value)).every((key) => Array.isArray(value) || isKey(key)) &&
  (typeof value !== "object" || Object.values(value ?? {}).every(isAllowed));
const names = fc
  .oneof(
    fc.constantFrom("model", "stream", "a", "", "1", "ä", "\n", '"', "\\a", "Ã¤"),
    fc.string({ unit: "binary" }),
  )
  .filter(isKey);
const values = fc
  .oneof(fc.jsonValue({ maxDepth: 4 }), fc.string({ minLength: 40, maxLength: 400 }))
  .filter(isAllowed);
const objects = fc
  .dictionary(names, values, { maxKeys: 8, noNullPrototype: true })
  .map((object): Record<string, unknown> => JSON.parse(JSON.stringify(object)));
const spaces = fc.constantFrom("", " ", "\n", "\t\r ");

describe("the members of a body", () => {
  it("are found where they stand, whatever the names, the values and the spaces", () => {
    fc.assert(
      fc.property(objects, spaces, (object, space) => {
        const body = parseJsonBody(bytesOf(spaced(object, space)));
        expect(body.value).toEqual(object);
        expect(body.members).toHaveLength(Object.keys(object).length * 4);
        for (const [name, value] of Object.entries(object)) {
          expect(JSON.parse(textOf(readMember(body, name)))).toEqual(value);
        }
        expect(readMember(body, "no such name")).toBeUndefined();
      }),
    );
  });

  it("are replaced, removed and added so that the rest stays and the text is valid", () => {
    const edits = fc.dictionary(names, fc.option(values, { nil: undefined }), { maxKeys: 5 });
    fc.assert(
      fc.property(
        objects,
        spaces,
        edits,
        fc.infiniteStream(fc.boolean()),
        (object, space, more, coin) => {
          const wanted = new Map(Object.entries(object));
          const changes = new Map<string, Uint8Array | undefined>();
          const change = (name: string, value: unknown) => {
            if (value === undefined) wanted.delete(name);
            else wanted.set(name, value);
            changes.set(name, value === undefined ? undefined : bytesOf(JSON.stringify(value)));
          };
          for (const name of Object.keys(object)) {
            if (coin.next().value) change(name, coin.next().value ? undefined : [name]);
          }
          for (const [name, value] of Object.entries(more)) change(name, value);
          const edited = editMembers(parseJsonBody(bytesOf(spaced(object, space))), changes);
          // JSON has no -0.
          const expected: unknown = JSON.parse(JSON.stringify(Object.fromEntries(wanted)));
          expect(JSON.parse(textOf(edited))).toEqual(expected);
          expect(parseJsonBody(edited).members).toHaveLength(wanted.size * 4);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("that are not edited keep every byte", () => {
    const body = parseJsonBody(bytesOf(' { "a" : 1.0 , "model":"x" ,"b": [ ] } '));
    const edited = editMembers(body, new Map([["model", bytesOf('"y"')]]));
    expect(textOf(edited)).toBe(' { "a" : 1.0 , "model":"y" ,"b": [ ] } ');
    const removed = editMembers(body, new Map([["b", undefined]]));
    expect(textOf(removed)).toBe(' { "a" : 1.0 , "model":"x" } ');
    expect(textOf(editMembers(body, new Map()))).toBe(textOf(body.bytes));
  });
});
