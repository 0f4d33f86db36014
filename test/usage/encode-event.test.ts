import { create, type DescField, type DescMessage, ScalarType, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type UsageEvent, UsageEventSchema } from "../../src/gen/optamil/v1/event_pb.ts";
import { encodeEvent } from "../../src/usage/encode-event.ts";
import { sampleEvent, sampleFeedback, sampleHold, sampleSettlement } from "./sample-events.ts";

/** Any value of a field, whatever it is: a field that is added later has one too. */
function anyValue(field: DescField): fc.Arbitrary<unknown> {
  switch (field.fieldKind) {
    case "scalar":
      return anyScalar(field.scalar);
    case "enum":
      return fc.constantFrom(...field.enum.values.map(({ number }) => number));
    case "message":
      return fc.option(anyMessage(field.message), { nil: undefined });
    case "list": {
      const { message, scalar } = field;
      const item = message === undefined ? anyScalar(scalar ?? ScalarType.STRING) : undefined;
      return fc.array(item ?? anyMessage(message as DescMessage), { maxLength: 3 });
    }
    default:
      throw new Error(`no values for ${field.name}`);
  }
}

function anyScalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return fc.oneof(
        fc.string({ unit: "binary", maxLength: 300 }),
        fc.constant("x".repeat(9_000)),
      );
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 200 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT32:
      return fc.nat({ max: 2 ** 32 - 1 });
    case ScalarType.SINT32:
      return fc.integer();
    case ScalarType.SINT64:
    case ScalarType.INT64:
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case ScalarType.UINT64:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    default:
      throw new Error(`no values for scalar ${type}`);
  }
}

function anyMessage(desc: DescMessage): fc.Arbitrary<unknown> {
  const fields = desc.fields.map((field) => [field.localName, anyValue(field)] as const);
  return fc
    .record(Object.fromEntries(fields), { requiredKeys: [] })
    .map((init) => create(desc, init as never));
}

function expectSameBytes(event: UsageEvent): void {
  expect(Buffer.from(encodeEvent(event)).toString("hex")).toBe(
    Buffer.from(toBinary(UsageEventSchema, event)).toString("hex"),
  );
}

it("writes the bytes of protobuf-es for any event, whatever fields it has", () => {
  fc.assert(
    fc.property(anyMessage(UsageEventSchema), (event) => expectSameBytes(event as UsageEvent)),
    { numRuns: 500 },
  );
});

it("writes the bytes of protobuf-es for each kind of event, one after the other", () => {
  const hold = sampleHold();
  const decided = { ...sampleSettlement(hold), tag: "größer \u{1F642}" };
  const refunded = { ...sampleEvent(), creditsMicro: -1_000_000n };
  const strange = { ...hold, $unknown: [{ no: 99, wireType: 0, data: Uint8Array.of(1) }] };
  const rated = sampleFeedback(hold, { thumb: "down", score: 0.25, comment: "no" });
  for (const event of [hold, decided, refunded, strange, rated, hold]) expectSameBytes(event);
});

it("gives bytes that the next event does not touch", () => {
  const first = encodeEvent(sampleHold());
  const before = Buffer.from(first).toString("hex");
  encodeEvent(sampleEvent());
  expect(Buffer.from(first).toString("hex")).toBe(before);
});
