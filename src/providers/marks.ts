// Members that only Anthropic's API knows, inside of messages, content parts, calls and tools.
import type { JsonObject } from "./dialect.ts";
import { isObject, namesIn } from "./json-values.ts";

const marks = ["cache_control", "citations", "context", "is_error", "thinking_blocks"];
const anyMark = new RegExp(`"(?:${marks.join("|")})":`);

/** Whether the JSON of a request may have marks: most have none, and need not be walked. */
export function hasMarks(text: string): boolean {
  return anyMark.test(text);
}

/** A request without its marks, and their names. */
export function takeMarks(request: JsonObject): {
  readonly request: JsonObject;
  readonly names: readonly string[];
} {
  const names = new Set<string>();
  const strip = (value: unknown): unknown => {
    if (!isObject(value)) return value;
    for (const name of namesIn(value, marks)) names.add(name);
    const kept = Object.entries(value).filter(([name]) => !marks.includes(name));
    return Object.fromEntries(kept);
  };
  const stripAll = (values: unknown) => (Array.isArray(values) ? values.map(strip) : values);
  const stripMessage = (message: unknown): unknown => {
    const bare = strip(message);
    if (!isObject(bare)) return bare;
    const { content, tool_calls: calls } = bare;
    return {
      ...bare,
      ...(Array.isArray(content) && { content: stripAll(content) }),
      ...(Array.isArray(calls) && { tool_calls: stripAll(calls) }),
    };
  };
  const { messages, tools } = request;
  const stripped = {
    ...request,
    ...(Array.isArray(messages) && { messages: messages.map(stripMessage) }),
    ...(Array.isArray(tools) && { tools: stripAll(tools) }),
  };
  return { request: stripped, names: [...names].toSorted() };
}
