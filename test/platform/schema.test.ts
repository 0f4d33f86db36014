import { expect, it } from "vitest";
import { judgeSchema, tellMigration } from "../../src/platform/schema.ts";

it.each([
  ["its own", { version: 3, oldest: 2 }],
  ["a newer one that adds to it", { version: 4, oldest: 3 }],
  ["a much newer one that still serves it", { version: 9, oldest: 1 }],
])("a release works with %s", (_what, found) => {
  expect(judgeSchema("ClickHouse", found, 3)).toEqual({ fits: true });
});

it("an older schema is refused with both versions and the command that expands it", () => {
  expect(judgeSchema("ClickHouse", { version: 2, oldest: 1 }, 3)).toEqual({
    fits: false,
    problem:
      "ClickHouse has schema version 2, and this release needs 3: run 'optamil migrate' of this release",
  });
});

it("a newer schema that has taken something away is refused with both versions and what to run", () => {
  expect(judgeSchema("Kafka", { version: 5, oldest: 4 }, 3)).toEqual({
    fits: false,
    problem:
      "Kafka has schema version 5, which needs a release that knows 4, and this one knows 3: run 'optamil' of the newer release",
  });
});

it.each([
  [{ version: 0, oldest: 0 }, "tables: schema version 3 made"],
  [{ version: 1, oldest: 1 }, "tables: schema version 1 expanded to 3"],
  [{ version: 3, oldest: 1 }, "tables: schema version 3, as it should be"],
  [
    { version: 4, oldest: 3 },
    "tables: schema version 4 of a newer release serves this one too, and is left as it is",
  ],
])("a migration that finds %j says what it did", (found, told) => {
  expect(tellMigration("tables", found, 3)).toBe(told);
});
