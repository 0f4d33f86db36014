// Tools that take a text instead of arguments. To models they are functions of one text: every API has those.
import { create } from "@bufbuild/protobuf";
import { type FunctionDefinition, FunctionDefinitionSchema } from "../../gen/optamil/v1/chat_pb.ts";
import type { CreateResponseRequest, ResponsesTool } from "../../gen/optamil/v1/responses_pb.ts";
import { isJsonObject } from "../../platform/json-path.ts";

const parameters = {
  type: "object",
  properties: { input: { type: "string", description: "The input, as it is." } },
  required: ["input"],
  additionalProperties: false,
};

/** The names of a request's tools that take a text. */
export function customNamesOf({ tools }: CreateResponseRequest): ReadonlySet<string> {
  return new Set(tools.flatMap(({ type, name }) => (type === "custom" ? (name ?? []) : [])));
}

/** The function that stands for such a tool; its grammar is told, as no function has one. */
export function toCustomFunction(name: string, tool: ResponsesTool): FunctionDefinition {
  const { syntax, definition } = tool.format ?? {};
  const grammar = definition && `The input keeps to this ${String(syntax)} grammar:\n${definition}`;
  const texts = [tool.description, grammar].filter((text) => typeof text === "string" && text);
  const description = texts.length > 0 ? texts.join("\n\n") : undefined;
  return create(FunctionDefinitionSchema, { name, description, parameters });
}

/** The arguments that say an input. */
export function toCustomArguments(input: string): string {
  return JSON.stringify({ input });
}

/** The input that arguments say; a model that does not keep to the form meant the whole text. */
export function readCustomInput(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    const input = isJsonObject(value) ? value["input"] : undefined;
    return typeof input === "string" ? input : text;
  } catch {
    // Cut off, or no JSON.
    return text;
  }
}
