import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { OptamilError } from "../../src/platform/errors.ts";
import { jsonCodec } from "../../src/platform/json.ts";
import { compileProto } from "../setup/compile-proto.ts";

const { message } = await compileProto(`
enum Level { LEVEL_UNSPECIFIED = 0; LEVEL_LOW = 1; LEVEL_VERY_HIGH = 2; }
message Scalars {
  int32 i32 = 1; uint32 u32 = 2; sint32 s32 = 3; int64 i64 = 4; uint64 u64 = 5; float f = 6; double d = 7;
  bool b = 8; string s = 9; bytes raw = 10; optional bytes maybe_raw = 11; Level level = 12;
  repeated Level levels = 13; optional double maybe = 14; fixed64 f64 = 15;
  int64 money_micro = 16 [(optamil.options.v1.field) = {name: "money" scale: 6}];
}
message Known {
  google.protobuf.Struct struct = 1; google.protobuf.Value value = 2; google.protobuf.ListValue list = 3;
  google.protobuf.Timestamp at = 4; google.protobuf.Duration lasting = 5; google.protobuf.FieldMask mask = 6;
  google.protobuf.UInt32Value count = 7; google.protobuf.StringValue text = 8;
  repeated google.protobuf.Int64Value numbers = 9; google.protobuf.BytesValue raw = 10;
  repeated google.protobuf.Value values = 11; map<string, google.protobuf.Struct> by_name = 12;
}
message Choice { oneof kind { string text = 1; uint32 number = 2; Choice inner = 3; } string other = 4; }
message Maps {
  map<int32, string> by_number = 1; map<bool, Level> by_truth = 2; map<string, Choice> by_name = 3;
  map<uint64, bytes> by_long = 4;
}
message Anything {
  option (optamil.options.v1.message) = {untagged: true};
  oneof kind { string text = 1; double number = 2; bool truth = 3; Words words = 4; Node node = 5; }
}
message Words { repeated string values = 1; }
message Node {
  Node next = 1; repeated Anything any = 2; Anything must = 3 [(optamil.options.v1.field) = {required: true}];
}
message Required {
  string text = 1 [(optamil.options.v1.field) = {required: true}];
  repeated string list = 2 [(optamil.options.v1.field) = {required: true}];
  map<string, string> map = 3 [(optamil.options.v1.field) = {required: true}];
  Level level = 4 [(optamil.options.v1.field) = {required: true}];
  Inner inner = 5 [(optamil.options.v1.field) = {required: true}];
  bytes raw = 6 [(optamil.options.v1.field) = {required: true}];
  optional uint32 count = 7 [(optamil.options.v1.field) = {required: true nullable: true}];
}
message Inner { uint32 index = 1 [(optamil.options.v1.field) = {required: true}]; }
message TwoTexts {
  option (optamil.options.v1.message) = {untagged: true};
  oneof kind { string text = 1; bytes raw = 2; }
}
message TwoKeys { string a = 1; string b = 2 [(optamil.options.v1.field) = {name: "a"}]; }
message NoExtra { option (optamil.options.v1.message) = {extra: "nothing"}; }
message Half { option (optamil.options.v1.message) = {untagged: true}; oneof kind { string a = 1; } string b = 2; }
`);

/** The refusal of a value, as message and param. */
function refusalOf(
  codec: { decode: (value: unknown) => unknown },
  value: unknown,
): [string, string | undefined] {
  try {
    codec.decode(value);
  } catch (error) {
    if (!(error instanceof OptamilError)) throw error;
    expect(error.code).toBe("invalid_request");
    return [error.message, error.param];
  }
  throw new Error("the value was not refused");
}

describe("scalars", () => {
  const scalars = jsonCodec(message("Scalars"));

  it("are written and read back", () => {
    const value = {
      i32: -2147483648,
      u32: 4294967295,
      s32: 2147483647,
      i64: -9007199254740991,
      u64: "18446744073709551615",
      f: 1.5,
      d: -0.1,
      b: true,
      s: "ä",
      raw: "+/8=",
      maybe_raw: "",
      level: "very_high",
      levels: ["low", "unspecified"],
      maybe: 0,
      f64: 5,
      money: 1.000001,
    };
    expect(scalars.encode(scalars.decode(value))).toEqual(value);
  });

  it("that hold their zero value are not written", () => {
    expect(scalars.encode(create(message("Scalars")))).toEqual({});
  });

  it.each<[unknown]>([["-_8"], ["-_8="], ["+/8"], ["+/8="]])("read bytes from %s", (raw) => {
    expect(scalars.encode(scalars.decode({ raw }))).toEqual({ raw: "+/8=" });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ i32: 2147483648 }, "a whole number from -2147483648 to 2147483647, got 2147483648"],
    [{ u32: -1 }, "a whole number from 0 to 4294967295, got -1"],
    [{ u32: "1" }, 'a whole number from 0 to 4294967295, got "1"'],
    [{ i64: 1.5 }, "expected a whole number, got 1.5"],
    [{ i64: "01" }, 'expected a whole number, got "01"'],
    [{ i64: 9007199254740992 }, "too large to be exact"],
    [{ i64: "9223372036854775808" }, "out of range"],
    [{ u64: "-1" }, "out of range"],
    [{ u64: "9".repeat(100_000) }, "expected a whole number, got a string"],
    [{ f: 3.5e38 }, "expected a number"],
    [{ d: "1" }, "expected a number"],
    [{ d: "NaN" }, "expected a number"],
    [{ b: 1 }, "expected a boolean, got a number"],
    [{ raw: "?" }, "expected a base64 string"],
    [{ level: 1 }, "expected one of low, very_high, got 1"],
    [{ level: "LEVEL_LOW" }, 'expected one of low, very_high, got "LEVEL_LOW"'],
    [{ levels: ["low", "high"] }, 'expected one of low, very_high, got "high"'],
  ])("refuse %j", (value, reason) => {
    expect(refusalOf(scalars, value)[0]).toContain(reason);
  });
});

describe("well-known types", () => {
  const known = jsonCodec(message("Known"));

  it("have the JSON form of their own", () => {
    const value = {
      struct: { a: [1, { b: null }] },
      value: null,
      list: [1, "a", null],
      at: "2026-01-31T12:00:00Z",
      lasting: "1.500s",
      mask: "a,bC.d",
      count: 0,
      text: "",
      numbers: [0, 5, "9223372036854775807"],
      raw: "",
      values: [null, 1, { a: 1 }],
      by_name: { a: {} },
    };
    const read = known.decode(value);
    expect(known.encode(read)).toEqual(value);
    const schema = message("Known");
    expect(known.encode(fromBinary(schema, toBinary(schema, read)))).toEqual(value);
  });

  it.each<[Record<string, unknown>, string]>([
    [{ at: "yesterday" }, "expected an RFC 3339 time such as 2026-01-31T12:00:00Z"],
    [{ lasting: "1h" }, "expected a number of seconds such as 1.5s"],
    [{ mask: 5 }, "expected field names with commas between them, got a number"],
    [{ struct: [] }, "expected an object, got an array"],
    [{ list: {} }, "expected an array, got an object"],
    [{ count: -1 }, "expected a whole number"],
    [{ numbers: [null] }, "expected a whole number, got null"],
  ])("refuse %j", (value, reason) => {
    expect(refusalOf(known, value)[0]).toContain(reason);
  });
});

describe("oneofs, unions and maps", () => {
  const choice = jsonCodec(message("Choice"));
  const maps = jsonCodec(message("Maps"));
  const node = jsonCodec(message("Node"));
  const required = jsonCodec(message("Required"));

  it("write a oneof with its tag, zero or not", () => {
    for (const value of [{ number: 0 }, { inner: { text: "" }, other: "x" }, { other: "y" }, {}]) {
      expect(choice.encode(choice.decode(value))).toEqual(value);
    }
  });

  it("refuse two members of one oneof", () => {
    expect(refusalOf(choice, { text: "a", number: 1 })).toEqual([
      "Invalid 'number': only one of 'text' and 'number' can be set.",
      "number",
    ]);
  });

  it("tell the members of a union apart by the JSON type", () => {
    const value = {
      must: "a",
      any: ["a", 1.5, true, ["b", "c"], [], { must: 0 }],
      next: { must: [] },
    };
    expect(node.encode(node.decode(value))).toEqual(value);
    expect(refusalOf(node, { must: null })[0]).toContain(
      "expected a string or a number or a boolean or an array or an object, got null",
    );
  });

  it("write maps with any kind of key", () => {
    const value = {
      by_number: { "-5": "a" },
      by_truth: { true: "low" },
      by_name: { a: { text: "x" } },
      by_long: { "18446744073709551615": "AA==" },
    };
    expect(maps.encode(maps.decode(value))).toEqual(value);
  });

  it.each([
    [{ by_number: { a: "x" } }, "by_number.a"],
    [{ by_number: { 2147483648: "x" } }, "by_number.2147483648"],
    [{ by_truth: { yes: "low" } }, "by_truth.yes"],
    [{ by_long: { "-1": "" } }, "by_long.-1"],
  ])("refuse the key of %j", (value, path) => {
    expect(refusalOf(maps, value)).toEqual([`Invalid '${path}': this key is not allowed.`, path]);
  });

  it("write required fields that are not set as zero", () => {
    expect(required.encode(create(message("Required")))).toEqual({
      text: "",
      list: [],
      map: {},
      level: "unspecified",
      inner: { index: 0 },
      raw: "",
      count: null,
    });
  });

  it.each([
    ["TwoTexts", /two members take a string/],
    ["TwoKeys", /cannot have the JSON key 'a'/],
    ["NoExtra", /named by 'extra', is no google.protobuf.Struct/],
    ["Half", /must be one oneof and nothing else/],
  ])("are refused at start where the options contradict themselves: %s", (name, reason) => {
    expect(() => jsonCodec(message(name))).toThrow(reason);
  });
});

describe("a union", () => {
  it("can stand in a document, but no document is one", () => {
    const union = jsonCodec(message("Anything"));
    expect(() => union.encode(union.decode("text"))).toThrow(/not written as an object/);
  });
});
