import { describe, expect, it } from "vitest";
import { parseTemplate } from "../../src/gateway/template.ts";

/** A template as a pattern without variables, and its variables as `name: from-to`. */
function summaryOf(text: string): [string, string[]] {
  const { segments, variables, verb } = parseTemplate(text);
  const marks = { one: "*", rest: "**" };
  const parts = segments.map((segment) =>
    segment.kind === "literal" ? encodeURIComponent(segment.text) : marks[segment.kind],
  );
  const names = variables.map(({ path, start, end }) => `${path}: ${start}-${end ?? ""}`);
  return [`/${parts.join("/")}${verb && `:${verb}`}`, names];
}

describe("a path template", () => {
  // The forms of vanguard-go's path_parser_test.go, but for variables in variables.
  it.each<[string, string, string[]]>([
    ["/foo/bar/baz/buzz", "/foo/bar/baz/buzz", []],
    ["/foo/bar/{name}", "/foo/bar/*", ["name: 2-3"]],
    ["/foo/bar/{name}/baz/{child}", "/foo/bar/*/baz/*", ["name: 2-3", "child: 4-5"]],
    [
      "/foo/bar/{name}/baz/{child.id}/buzz/{child.thing.id}",
      "/foo/bar/*/baz/*/buzz/*",
      ["name: 2-3", "child.id: 4-5", "child.thing.id: 6-7"],
    ],
    ["/foo/*/{thing.id}/{cat=**}", "/foo/*/*/**", ["thing.id: 2-3", "cat: 3-"]],
    ["/foo/*/{thing.id}/{cat=**}:do", "/foo/*/*/**:do", ["thing.id: 2-3", "cat: 3-"]],
    ["/{name=shelves/*}/books", "/shelves/*/books", ["name: 0-2"]],
    ["/{name=a/**}", "/a/**", ["name: 0-"]],
    ["/a/**", "/a/**", []],
    ["/v1.5/some-thing_~/{_a1}:go", "/v1.5/some-thing_~/*:go", ["_a1: 2-3"]],
    ["/a%2fb/%2A/%2A%2a", "/a%2Fb/*/**", []],
  ])("%s is the pattern %s", (text, pattern, variables) => {
    expect(summaryOf(text)).toEqual([pattern, variables]);
  });

  it("has literals that look like wildcards once they are decoded", () => {
    expect(parseTemplate("/%2A/%2a%2A:%2c")).toEqual({
      segments: [
        { kind: "literal", text: "*" },
        { kind: "literal", text: "**" },
      ],
      variables: [],
      verb: ",",
    });
  });

  it.each([
    ["", "expected '/' at character 1"],
    ["foo/bar", "expected '/' at character 1"],
    ["/", "expected a segment at character 2"],
    ["/foo/", "expected a segment at character 6"],
    ["/foo//bar", "expected a segment at character 6"],
    ["/foo bar", "unexpected ' ' at character 5"],
    ["/foo?bar", "unexpected '?' at character 5"],
    ["/foo*", "unexpected '*' at character 5"],
    ["/***", "unexpected '*' at character 4"],
    ["/**/*", "'**' must be last at character 5"],
    ["/**/foo", "'**' must be last at character 5"],
    ["/{a=**}/{b}", "'**' must be last at character 9"],
    ["/foo:bar/baz", "unexpected '/' at character 9"],
    ["/foo:bar:baz", "unexpected ':' at character 9"],
    ["/foo:", "expected a verb at character 6"],
    ["/{1}", "expected a field path at character 3"],
    ["/{a-}", "expected '}' at character 4"],
    ["/{a.1}", "expected '}' at character 4"],
    ["/{a.}", "expected '}' at character 4"],
    ["/{}", "expected a field path at character 3"],
    ["/{a", "expected '}' at character 4"],
    ["/{a=}", "expected a segment at character 5"],
    ["/{a}b", "unexpected 'b' at character 5"],
    ["/{a}/{a}", "variable 'a' is there twice at character 8"],
    [
      "/{book_id={author}/{isbn}/*}",
      "a variable inside of 'book_id' is not supported at character 12",
    ],
    ["/a%1", "unexpected '%' at character 3"],
    ["/%zz", "expected a segment at character 2"],
    ["/%ff", "the percent-escapes are no UTF-8 at character 5"],
  ])("%j is refused: %s", (text, reason) => {
    expect(() => parseTemplate(text)).toThrow(`path template '${text}': ${reason}`);
  });
});
