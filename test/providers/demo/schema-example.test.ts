import type { JsonObject } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { toSchemaExample } from "../../../src/providers/demo/schema-example.ts";

const cases: [string, JsonObject, unknown][] = [
  ["a constant", { const: 7 }, 7],
  ["the first of an enum", { enum: ["b", "a"] }, "b"],
  ["an example before a default", { examples: [2], default: 1, type: "integer" }, 2],
  ["a default", { default: "x", type: "string" }, "x"],
  ["the first type that is not null", { type: ["null", "boolean"] }, true],
  ["null for null", { type: "null" }, null],
  ["zero for a number without bounds", { type: "number" }, 0],
  ["a number at its minimum", { type: "number", minimum: 1.5 }, 1.5],
  ["an integer above a bound it may not have", { type: "integer", exclusiveMinimum: 4 }, 5],
  ["an integer below a bound it may not have", { type: "integer", exclusiveMaximum: -4 }, -5],
  ["a multiple within bounds", { type: "integer", multipleOf: 5, minimum: 12 }, 15],
  ["a string of a length", { type: "string", minLength: 6, maxLength: 6 }, "demode"],
  ["a string of a format", { type: "string", format: "date" }, "2026-01-01"],
  ["one item for an array", { type: "array", items: { type: "boolean" } }, [true]],
  [
    "as many items as there must be",
    { type: "array", items: { type: "integer" }, minItems: 2 },
    [0, 0],
  ],
  ["no item where none may be", { type: "array", maxItems: 0, items: {} }, []],
  [
    "distinct items",
    { type: "array", uniqueItems: true, minItems: 2, items: { type: "integer" } },
    [0, 1],
  ],
  [
    "items by place",
    { type: "array", prefixItems: [{ const: 1 }, { const: 2 }], items: false },
    [1, 2],
  ],
  [
    "all properties",
    { properties: { a: { type: "integer" }, b: { type: "string" } } },
    { a: 0, b: "demo" },
  ],
  ["what is required without a schema", { type: "object", required: ["x"] }, { x: "demo" }],
  ["the first of anyOf", { anyOf: [{ type: "string" }, { type: "null" }] }, "demo"],
  [
    "all of allOf",
    {
      allOf: [{ properties: { a: { const: 1 } } }, { properties: { b: { const: 2 } } }],
      type: "object",
    },
    { a: 1, b: 2 },
  ],
  [
    "a definition referred to",
    { $ref: "#/$defs/a~1b", $defs: { "a/b": { type: "integer", minimum: 9 } } },
    9,
  ],
  ["null for a reference to nowhere", { $ref: "#/$defs/none" }, null],
  ["null where anything goes", {}, null],
];

describe("an example of a schema", () => {
  it.each(cases)("is %s", (_, schema, expected) => {
    expect(toSchemaExample(schema)).toEqual(expected);
  });

  it("of a tree that holds itself comes to an end", () => {
    const node = {
      type: "object",
      properties: { left: { $ref: "#" }, right: { $ref: "#" }, value: { type: "integer" } },
      required: ["value"],
    };
    const example = toSchemaExample(node);
    expect(example).toMatchObject({ value: 0, left: { value: 0 } });
    expect(JSON.stringify(example).length).toBeLessThan(100_000);
  });

  it("of a schema that refers to itself only, or demands endlessly, comes to an end", () => {
    expect(toSchemaExample({ $ref: "#" })).toBeNull();
    const endless = { type: "object", properties: { a: { $ref: "#" } }, required: ["a"] };
    expect(JSON.stringify(toSchemaExample(endless)).length).toBeLessThan(10_000);
  });
});
