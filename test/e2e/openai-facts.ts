/** What OpenAI's API reference says of the bodies of answers: types, what is always there, what may be null. */

/** A member of a body. */
export type Fact = {
  /** Path from the body; `[]` stands for each item of an array. */
  readonly path: string;
  readonly type: "string" | "integer" | "array" | "object";
  /** Whether its parent, where there is one, always has it. */
  readonly required: boolean;
  readonly nullable: boolean;
  /** The only values that it may have, null apart. */
  readonly values?: readonly string[];
};

type Mark = "required" | "optional" | "required, nullable" | "optional, nullable";

function fact(path: string, type: Fact["type"], mark: Mark, values?: readonly string[]): Fact {
  const [required = false, nullable = false] = [mark.startsWith("req"), mark.endsWith("nullable")];
  return { path, type, required, nullable, ...(values && { values }) };
}

const finishReasons = ["stop", "length", "tool_calls", "content_filter", "function_call"];

function usageFacts(mark: Mark): Fact[] {
  return [
    fact("usage", "object", mark),
    fact("usage.prompt_tokens", "integer", "required"),
    fact("usage.completion_tokens", "integer", "required"),
    fact("usage.total_tokens", "integer", "required"),
    fact("usage.prompt_tokens_details", "object", "optional"),
    fact("usage.prompt_tokens_details.cached_tokens", "integer", "optional"),
    fact("usage.completion_tokens_details", "object", "optional"),
    fact("usage.completion_tokens_details.reasoning_tokens", "integer", "optional"),
  ];
}

/** Source: OpenAI API reference, the chat completion object. */
export const completionFacts: readonly Fact[] = [
  fact("id", "string", "required"),
  fact("object", "string", "required", ["chat.completion"]),
  fact("created", "integer", "required"),
  fact("model", "string", "required"),
  fact("choices", "array", "required"),
  fact("choices[].index", "integer", "required"),
  fact("choices[].finish_reason", "string", "required", finishReasons),
  fact("choices[].logprobs", "object", "required, nullable"),
  fact("choices[].message", "object", "required"),
  fact("choices[].message.role", "string", "required", ["assistant"]),
  fact("choices[].message.content", "string", "required, nullable"),
  fact("choices[].message.refusal", "string", "required, nullable"),
  fact("choices[].message.tool_calls", "array", "optional"),
  fact("choices[].message.tool_calls[].id", "string", "required"),
  fact("choices[].message.tool_calls[].type", "string", "required", ["function"]),
  fact("choices[].message.tool_calls[].function", "object", "required"),
  fact("choices[].message.tool_calls[].function.name", "string", "required"),
  fact("choices[].message.tool_calls[].function.arguments", "string", "required"),
  ...usageFacts("optional"),
];

/** Source: OpenAI API reference, the chat completion chunk object. */
export const chunkFacts: readonly Fact[] = [
  fact("id", "string", "required"),
  fact("object", "string", "required", ["chat.completion.chunk"]),
  fact("created", "integer", "required"),
  fact("model", "string", "required"),
  fact("choices", "array", "required"),
  fact("choices[].index", "integer", "required"),
  fact("choices[].finish_reason", "string", "required, nullable", finishReasons),
  fact("choices[].logprobs", "object", "optional, nullable"),
  fact("choices[].delta", "object", "required"),
  fact("choices[].delta.role", "string", "optional", ["assistant"]),
  fact("choices[].delta.content", "string", "optional, nullable"),
  fact("choices[].delta.refusal", "string", "optional, nullable"),
  fact("choices[].delta.tool_calls", "array", "optional"),
  fact("choices[].delta.tool_calls[].index", "integer", "required"),
  fact("choices[].delta.tool_calls[].id", "string", "optional"),
  fact("choices[].delta.tool_calls[].type", "string", "optional", ["function"]),
  fact("choices[].delta.tool_calls[].function", "object", "optional"),
  fact("choices[].delta.tool_calls[].function.name", "string", "optional"),
  fact("choices[].delta.tool_calls[].function.arguments", "string", "optional"),
  ...usageFacts("optional, nullable"),
];

/** Source: OpenAI API reference, the model object and its list. */
export const modelListFacts: readonly Fact[] = [
  fact("object", "string", "required", ["list"]),
  fact("data", "array", "required"),
  fact("data[].id", "string", "required"),
  fact("data[].object", "string", "required", ["model"]),
  fact("data[].created", "integer", "required"),
  fact("data[].owned_by", "string", "required"),
];

/** Source: OpenAI's published OpenAPI document, Error; `code` is the HTTP status in Optamil's API. */
export const errorFacts: readonly Fact[] = [
  fact("error", "object", "required"),
  fact("error.message", "string", "required"),
  fact("error.type", "string", "required"),
  fact("error.param", "string", "required, nullable"),
  fact("error.code", "integer", "required, nullable"),
];

/** Where a body is not as the facts say; empty: nowhere. */
export function flawsOf(body: unknown, facts: readonly Fact[]): string[] {
  return facts.flatMap((one) => {
    const at = one.path.lastIndexOf(".");
    const parents = at < 0 ? [body] : valuesAt(body, one.path.slice(0, at));
    return parents.flatMap((parent) => flawOf(parent, one, one.path.slice(at + 1)));
  });
}

function flawOf(parent: unknown, { path, type, required, nullable, values }: Fact, name: string) {
  if (typeof parent !== "object" || parent === null) return [];
  const value: unknown = Reflect.get(parent, name);
  if (value === undefined) return required ? [`${path} is missing`] : [];
  if (value === null) return nullable ? [] : [`${path} is null`];
  if (typeOf(value) !== type) return [`${path} is of type ${typeOf(value)}`];
  const isKnown = values === undefined || values.includes(String(value));
  return isKnown ? [] : [`${path} is ${String(value)}`];
}

/** The values at a path; all of them where it leads through arrays. */
function valuesAt(body: unknown, path: string): unknown[] {
  let values = [body];
  for (const step of path.split(".")) {
    const [name = "", item] = step.split("[");
    const next = values.flatMap((value) =>
      typeof value === "object" && value !== null ? [Reflect.get(value, name)] : [],
    );
    values = item === undefined ? next : next.filter(Array.isArray).flat();
  }
  return values;
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return Number.isSafeInteger(value) ? "integer" : typeof value;
}
