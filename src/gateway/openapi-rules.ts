// The protovalidate rules of a field as JSON Schema keywords, as far as JSON Schema can say them.
import {
  type DescField,
  getOption,
  hasOption,
  isFieldSet,
  type JsonObject,
} from "@bufbuild/protobuf";
import {
  type FieldRules,
  field as fieldRules,
  Ignore,
  type MapRules,
  type RepeatedRules,
  RepeatedRulesSchema,
  type StringRules,
  StringRulesSchema,
} from "../gen/buf/validate/validate_pb.ts";

/** The keywords for a field's whole value and for each item of its list or map. */
export type RuleKeywords = { readonly whole: JsonObject; readonly item: JsonObject };

/** JSON Schema's names of the formats that both know. */
const formats: Readonly<Record<string, string>> = {
  email: "email",
  hostname: "hostname",
  ipv4: "ipv4",
  ipv6: "ipv6",
  uri: "uri",
  uuid: "uuid",
};

/** The keywords that a field's rules amount to. Rules that spare the zero value are left out. */
export function ruleKeywords(field: DescField): RuleKeywords {
  const rules = hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;
  if (rules?.type.case === "repeated") return repeatedKeywords(rules.type.value);
  if (rules?.type.case === "map") return mapKeywords(rules.type.value);
  return { whole: singleKeywords(rules), item: {} };
}

function repeatedKeywords(rules: RepeatedRules): RuleKeywords {
  const { field } = RepeatedRulesSchema;
  const whole = {
    ...(isFieldSet(rules, field.minItems) && { minItems: Number(rules.minItems) }),
    ...(isFieldSet(rules, field.maxItems) && { maxItems: Number(rules.maxItems) }),
    ...(rules.unique && { uniqueItems: true }),
  };
  return { whole, item: singleKeywords(rules.items) };
}

function mapKeywords(rules: MapRules): RuleKeywords {
  const keys = singleKeywords(rules.keys);
  const whole = {
    ...(rules.minPairs > 0n && { minProperties: Number(rules.minPairs) }),
    ...(rules.maxPairs > 0n && { maxProperties: Number(rules.maxPairs) }),
    ...(Object.keys(keys).length > 0 && { propertyNames: keys }),
  };
  return { whole, item: singleKeywords(rules.values) };
}

function singleKeywords(rules: FieldRules | undefined): JsonObject {
  if (rules === undefined || rules.ignore !== Ignore.UNSPECIFIED) return {};
  if (rules.type.case === "string") return stringKeywords(rules.type.value);
  return numberKeywords(rules.type.value);
}

function stringKeywords(rules: StringRules): JsonObject {
  const { field } = StringRulesSchema;
  const format = formats[rules.wellKnown.case ?? ""];
  return {
    ...(isFieldSet(rules, field.const) && { const: rules.const }),
    ...(rules.in.length > 0 && { enum: rules.in }),
    ...(isFieldSet(rules, field.minLen) && { minLength: Number(rules.minLen) }),
    ...(isFieldSet(rules, field.maxLen) && { maxLength: Number(rules.maxLen) }),
    ...(isFieldSet(rules, field.len) && {
      minLength: Number(rules.len),
      maxLength: Number(rules.len),
    }),
    ...(isFieldSet(rules, field.pattern) && { pattern: rules.pattern }),
    ...(format !== undefined && { format }),
  };
}

function numberKeywords(rules: FieldRules["type"]["value"]): JsonObject {
  if (rules === undefined || !("lessThan" in rules)) return {};
  const { lessThan, greaterThan } = rules;
  const limits: [string | undefined, unknown][] = [
    [greaterThan.case, greaterThan.value],
    [lessThan.case, lessThan.value],
  ];
  const keywords: Readonly<Record<string, string>> = {
    gt: "exclusiveMinimum",
    gte: "minimum",
    lt: "exclusiveMaximum",
    lte: "maximum",
  };
  const found = limits.flatMap(([kind, value]) => {
    const keyword = keywords[kind ?? ""];
    const isNumber = typeof value === "number" || typeof value === "bigint";
    return keyword !== undefined && isNumber ? [[keyword, Number(value)] as const] : [];
  });
  return Object.fromEntries(found);
}
