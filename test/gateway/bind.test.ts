import { describe, expect, it } from "vitest";
import { bind } from "../../src/gateway/bind.ts";
import { createRoutes } from "../../src/gateway/routes.ts";
import { OptamilError } from "../../src/platform/errors.ts";
import { parseJsonBody } from "../../src/platform/json-body.ts";
import { compileProto } from "../setup/compile-proto.ts";

const rpc = (name: string, rule: string) => `rpc ${name}(In) returns (In) {
  option (google.api.http) = {${rule}}; option (optamil.options.v1.access) = {scope: "chat"};
}`;

const { service } = await compileProto(`
enum Level { LEVEL_UNSPECIFIED = 0; LEVEL_LOW = 1; }
message In {
  string text = 1; bool truth = 2; int32 i32 = 3; uint32 u32 = 4; int64 i64 = 5; uint64 u64 = 6; double number = 7;
  float small = 8; bytes raw = 9; Level level = 10; repeated Level levels = 11; repeated double numbers = 12;
  map<string, string> map = 13; In inner = 14; repeated In inners = 15;
  oneof either { string left = 16; uint32 right = 17; }
  google.protobuf.Timestamp at = 18; google.protobuf.Duration lasting = 19; google.protobuf.FieldMask mask = 20;
  google.protobuf.BoolValue truth_value = 21; google.protobuf.Int32Value i32_value = 22;
  google.protobuf.UInt64Value u64_value = 23; google.protobuf.StringValue text_value = 24;
  google.protobuf.Struct struct = 25; string renamed = 26 [(optamil.options.v1.field) = {name: "short"}];
  Must must = 27; map<string, In> by_name = 28;
}
message Must { string id = 1 [(optamil.options.v1.field) = {required: true}]; string note = 2; }
service Test {
  ${rpc("Get", 'get: "/get"')}
  ${rpc("Path", 'get: "/path/{text}/{i32}/{inner.level}"')}
  ${rpc("All", 'post: "/all/{inner.text}" body: "*"')}
  ${rpc("Part", 'post: "/part/{must.id}" body: "must"')}
  ${rpc("None", 'delete: "/none/{must.id}"')}
}`);
const routes = createRoutes([service("Test")]);

/** What a request says, as JSON of its message. */
function bound(httpMethod: string, url: string, body?: unknown) {
  const [path = "", query = ""] = url.split("?");
  const match = routes.match(httpMethod, path);
  if (match.kind !== "found") throw new Error(`${path} was not found`);
  const [route] = match.alternatives;
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const parsed = body === undefined ? undefined : parseJsonBody(bytes);
  return route.codec.encode(bind(route, { body: parsed, query, params: match.params }));
}

/** The refusal of a request, as message and param. */
function refusalOf(httpMethod: string, url: string, body?: unknown): [string, string | undefined] {
  try {
    bound(httpMethod, url, body);
  } catch (error) {
    if (!(error instanceof OptamilError)) throw error;
    expect(error.code).toBe("invalid_request");
    return [error.message, error.param];
  }
  throw new Error("the request was not refused");
}

describe("a query", () => {
  // The fields of vanguard-go's params_test.go.
  it.each<[string, unknown]>([
    ["", {}],
    ["text=hello+world%21&truth=true", { text: "hello world!", truth: true }],
    ["text=", {}],
    ["truth=false", {}],
    ["number=1.5&small=-2e3", { number: 1.5, small: -2000 }],
    ["number=179769313486231570000000000000000000", { number: 1.7976931348623157e35 }],
    ["i32=2147483647&u32=4294967295", { i32: 2147483647, u32: 4294967295 }],
    ["i32=-2147483648", { i32: -2147483648 }],
    ["i64=9223372036854775807", { i64: "9223372036854775807" }],
    ["u64=18446744073709551615&i64=-5", { u64: "18446744073709551615", i64: -5 }],
    ["raw=YWJjMTIzIT8kKiYoKSctPUB%2B", { raw: "YWJjMTIzIT8kKiYoKSctPUB+" }],
    ["raw=YWJjMTIzIT8kKiYoKSctPUB-", { raw: "YWJjMTIzIT8kKiYoKSctPUB+" }],
    ["raw=YQ", { raw: "YQ==" }],
    ["level=low", { level: "low" }],
    ["levels=low&levels=unspecified&levels=low", { levels: ["low", "unspecified", "low"] }],
    ["numbers[]=1&numbers[]=2.5", { numbers: [1, 2.5] }],
    ["numbers=1", { numbers: [1] }],
    ["inner.inner.text=a&inner.i32=5", { inner: { inner: { text: "a" }, i32: 5 } }],
    ["left=", { left: "" }],
    ["right=5", { right: 5 }],
    ["at=2021-01-01T00:00:00Z", { at: "2021-01-01T00:00:00Z" }],
    ["lasting=3.000000001s", { lasting: "3.000000001s" }],
    ["mask=foo,bar.baz", { mask: "foo,bar.baz" }],
    ["truth_value=false&i32_value=0", { truth_value: false, i32_value: 0 }],
    [
      "u64_value=18446744073709551615&text_value=",
      { u64_value: "18446744073709551615", text_value: "" },
    ],
    ["short=a", { short: "a" }],
    ["must.id=5", { must: { id: "5" } }],
  ])("%s is read", (query, expected) => {
    expect(bound("GET", `/get?${query}`)).toEqual(expected);
  });

  it.each([
    ["nothing=1", "nothing", "unknown query parameter"],
    ["renamed=1", "renamed", "unknown query parameter"],
    ["__proto__=1", "__proto__", "unknown query parameter"],
    ["inner.constructor=1", "inner.constructor", "unknown query parameter"],
    ["text.length=1", "text.length", "unknown query parameter"],
    ["inners.text=a", "inners.text", "unknown query parameter"],
    ["by_name.text=a", "by_name.text", "unknown query parameter"],
    ["at.seconds=1", "at.seconds", "unknown query parameter"],
    ["map=a", "map", "it cannot be a query parameter"],
    ["inner=a", "inner", "it cannot be a query parameter"],
    ["inners=a", "inners", "it cannot be a query parameter"],
    ["struct=a", "struct", "it cannot be a query parameter"],
    ["text=a&text=b", "text", "the query parameter is there twice"],
    ["left=a&right=1", "right", "only one of 'left' and 'right' can be set"],
    ["truth=1", "truth", "expected a boolean, got a string"],
    ["truth=", "truth", "expected a boolean, got a string"],
    [
      "i32=2147483648",
      "i32",
      "expected a whole number from -2147483648 to 2147483647, got 2147483648",
    ],
    ["i32=1.5", "i32", "expected a whole number from -2147483648 to 2147483647, got 1.5"],
    ["u32=-1", "u32", "expected a whole number from 0 to 4294967295, got -1"],
    ["u32=", "u32", 'expected a whole number from 0 to 4294967295, got ""'],
    ["u32=012", "u32", 'expected a whole number from 0 to 4294967295, got "012"'],
    ["u32=%2B1", "u32", 'expected a whole number from 0 to 4294967295, got "+1"'],
    ["u32=0x10", "u32", 'expected a whole number from 0 to 4294967295, got "0x10"'],
    ["i64=9223372036854775808", "i64", "9223372036854775808 is out of range"],
    ["number=NaN", "number", 'expected a number, got "NaN"'],
    ["number=Infinity", "number", 'expected a number, got "Infinity"'],
    ["number=1e400", "number", "expected a number, got Infinity"],
    ["small=3.5e38", "small", "expected a number, got 3.5e+38"],
    ["numbers=1&numbers=x", "numbers[1]", 'expected a number, got "x"'],
    ["level=1", "level", 'expected one of low, got "1"'],
    ["level=null", "level", 'expected one of low, got "null"'],
    ["raw=%3F", "raw", "expected a base64 string"],
    ["lasting=5", "lasting", "expected a number of seconds such as 1.5s"],
    ["must.note=5", "must.id", "missing"],
  ])("%s is refused by the name of the parameter", (query, param, reason) => {
    expect(refusalOf("GET", `/get?${query}`)).toEqual([`Invalid '${param}': ${reason}.`, param]);
  });
});

describe("a path", () => {
  it("sets fields of every kind of text", () => {
    expect(bound("GET", "/path/a%2Fb/-5/low?truth=true")).toEqual({
      text: "a/b",
      i32: -5,
      inner: { level: "low" },
      truth: true,
    });
  });

  it("is refused where its text is no value of the field", () => {
    expect(refusalOf("GET", "/path/a/x/low")[1]).toBe("i32");
    expect(refusalOf("GET", "/path/a/1/high")[1]).toBe("inner.level");
  });

  it("sets what the query then cannot", () => {
    expect(refusalOf("GET", "/path/a/1/low?text=b")).toEqual([
      "Invalid 'text': unknown query parameter.",
      "text",
    ]);
  });

  it("provides what is required", () => {
    expect(bound("DELETE", "/none/5?must.note=x")).toEqual({ must: { id: "5", note: "x" } });
  });
});

describe("a body", () => {
  it("is the whole request, in which the path has the last word", () => {
    const body = { inner: { text: "body", i32: 1 }, truth: true };
    expect(bound("POST", "/all/path", body)).toEqual({ ...body, inner: { text: "path", i32: 1 } });
  });

  it("that is the whole request leaves nothing to the query", () => {
    expect(refusalOf("POST", "/all/a?truth=true", {})).toEqual([
      "Invalid 'truth': unknown query parameter.",
      "truth",
    ]);
  });

  it("is one field, and the rest is in path and query", () => {
    const expected = { must: { id: "5", note: "x" }, text: "a" };
    expect(bound("POST", "/part/5?text=a", { note: "x" })).toEqual(expected);
    expect(refusalOf("POST", "/part/5?must.note=a", {})[1]).toBe("must.note");
    expect(refusalOf("POST", "/part/5", { note: 5 })[1]).toBe("must.note");
  });

  it("is refused where it does not belong, and missed where it does", () => {
    expect(refusalOf("DELETE", "/none/5", {})[0]).toBe("This route takes no request body.");
    expect(refusalOf("POST", "/all/a")[0]).toBe("The request body is empty.");
  });
});
