import { describe, expect, it } from "vitest";
import { conforms } from "../../src/chat/conforms.ts";

const tree = {
  $defs: {
    node: { type: "object", properties: { next: { $ref: "#/$defs/node" } }, required: ["id"] },
  },
  $ref: "#/$defs/node",
};
/** A schema, what it accepts and what it refuses. */
const cases: readonly (readonly [
  name: string,
  schema: unknown,
  good: unknown[],
  bad: unknown[],
])[] = [
  ["a type", { type: "integer" }, [1, -2], [1.5, "1", null]],
  ["one of several types", { type: ["string", "null"] }, ["a", null], [1, []]],
  ["an enum", { enum: ["a", 1, null] }, ["a", 1, null], ["b", 2]],
  ["a constant", { const: { a: [1] } }, [{ a: [1] }], [{ a: [2] }]],
  ["required members", { type: "object", required: ["a"] }, [{ a: 0 }], [{}, []]],
  [
    "no other members",
    { properties: { a: { type: "string" } }, additionalProperties: false },
    [{}, { a: "x" }],
    [{ a: 1 }, { b: 1 }],
  ],
  [
    "items",
    { items: { type: "number" }, minItems: 1, maxItems: 2 },
    [[1], [1, 2]],
    [[], ["a"], [1, 2, 3]],
  ],
  [
    "first items",
    { prefixItems: [{ type: "string" }], items: false },
    [["a"], []],
    [[1], ["a", 1]],
  ],
  ["a range", { minimum: 0, exclusiveMaximum: 10, multipleOf: 2 }, [0, 8], [-2, 10, 3]],
  ["a length, in characters", { minLength: 2, maxLength: 3 }, ["ab", "äöü", "👍👍"], ["a", "abcd"]],
  ["any of", { anyOf: [{ type: "string" }, { minimum: 5 }] }, ["a", 5], [4]],
  ["exactly one of", { oneOf: [{ minimum: 1 }, { maximum: 5 }] }, [0, 6], [3]],
  ["all of, and not", { allOf: [{ type: "number" }, { not: { const: 3 } }] }, [4], [3, "4"]],
  ["references to itself", tree, [{ id: 1, next: { id: 2 } }], [{ id: 1, next: {} }]],
  ["a pattern, which is not looked at", { pattern: "^(a+)+$" }, [`${"a".repeat(60)}b`], []],
];

describe("a value conforms to a schema with", () => {
  it.each(cases)("%s", (_name, schema, good, bad) => {
    expect(good.map((value) => conforms(value, schema))).toEqual(good.map(() => true));
    expect(bad.map((value) => conforms(value, schema))).toEqual(bad.map(() => false));
  });

  it("branches without end, or a reference to nothing but itself, as nobody could tell", () => {
    const branch = { $ref: "#/$defs/a" };
    const endless = {
      $defs: { a: { properties: { n: { anyOf: [branch, branch] } }, required: ["x"] } },
      ...branch,
    };
    let value: unknown = {};
    for (let depth = 0; depth < 40; depth += 1) value = { x: 1, n: value };
    expect(conforms(value, endless)).toBe(true);
    expect(conforms(1, { $ref: "#" })).toBe(true);
  });
});
