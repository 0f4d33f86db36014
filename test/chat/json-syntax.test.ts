import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonSyntax } from "../../src/chat/json-syntax.ts";

/** What the reader says of a text that comes in these pieces. */
function read(pieces: readonly string[], needsObject = false): "broken" | "whole" | "begun" {
  const syntax = new JsonSyntax(needsObject);
  if (!pieces.every((piece) => syntax.push(piece))) return "broken";
  return syntax.isWhole ? "whole" : "begun";
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("a text in pieces", () => {
  it("is whole JSON when JSON.parse takes it, however it is cut", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), (text, cut) => {
        const at = cut % (text.length + 1);
        expect(read([text.slice(0, at), text.slice(at)])).toBe("whole");
        expect(read([...text])).toBe("whole");
      }),
    );
  });

  it("is whole exactly when JSON.parse takes it, whatever it is made of", () => {
    const signs = ["{", "}", "[", "]", ":", ",", '"', "\\", "u", "00e9", "a", "true", "nul", "l"];
    const numerals = ["0", "1", "-", "+", ".", "e", " ", "\n", "\u0007", "\u007f", "é", '"a"'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...signs, ...numerals), { maxLength: 8 }), (pieces) => {
        expect(read(pieces) === "whole").toBe(isJson(pieces.join("")));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    "Sure",
    "```json",
    '{"a":1}}',
    '{"a":1} and',
    "{a:1}",
    '{"a":1,}',
    "[1,]",
    "[1}",
    '{"a"]',
    "[01]",
    "[1.]",
    "[.5]",
    "[-]",
    "[1e]",
    "[trve]",
    '["\\x"]',
    '["\\u00g0"]',
    '["\n"]',
    "nul1",
  ])("is broken at once where it is %j", (text) => {
    expect(read([text])).toBe("broken");
  });

  it.each(["", " ", "{", '{"a', '{"a":', '{"a":1', "[1,", '["\\u00', "tru", "-", "1e"])(
    "is begun where it is %j",
    (text) => {
      expect(read([text])).toBe("begun");
    },
  );

  it("must be an object where one is needed", () => {
    expect(read(["[1]"], true)).toBe("broken");
    expect(read([" ", '{"a":[1]}', "\n"], true)).toBe("whole");
  });

  it("is broken where it is nested without end", () => {
    expect(read(["[".repeat(1_000)])).toBe("begun");
    expect(read(["[".repeat(1_001)])).toBe("broken");
  });
});
