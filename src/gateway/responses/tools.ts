// The tools of a request, and which of them to call, in the words of a chat request.
import { create, type JsonObject } from "@bufbuild/protobuf";
import {
  FunctionDefinitionSchema,
  type Tool,
  type ToolChoice,
  ToolChoiceSchema,
  ToolSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import type {
  CreateResponseRequest,
  ResponsesTool,
  ResponsesToolChoice,
} from "../../gen/optamil/v1/responses_pb.ts";
import { isJsonObject } from "../../platform/json-path.ts";
import { wrong } from "./content.ts";
import { toCustomFunction } from "./custom-tools.ts";

/** What a chat request says of its tools; nothing where there are none, as chat APIs refuse a choice without tools. */
export type ToolFields = {
  readonly tools?: Tool[];
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
};

/** The tools as functions. Throws `invalid_request` with its path for tools that OpenAI's servers run. */
export function toToolFields(request: CreateResponseRequest): ToolFields {
  const tools = request.tools.map(toTool);
  const { parallelToolCalls } = request;
  const chosen = request.toolChoice && toChosen(request.toolChoice, tools);
  if (tools.length === 0) return {};
  return {
    tools: chosen?.tools ?? tools,
    ...(chosen !== undefined && { toolChoice: chosen.choice }),
    ...(parallelToolCalls !== undefined && { parallelToolCalls }),
  };
}

function toTool(tool: ResponsesTool, at: number): Tool {
  const { type, name, description, parameters, strict, extra } = tool;
  const place = `tools[${at}]`;
  if (type !== "function" && type !== "custom") {
    const remedy = "describe a function that your program runs";
    const reason = `tools of type '${cut(type)}' are not offered on this gateway; ${remedy}`;
    throw wrong(`${place}.type`, reason);
  }
  if (name === undefined) throw wrong(`${place}.name`, "missing");
  const described = { name, description, parameters, strict };
  return create(ToolSchema, {
    type: "function",
    function:
      type === "custom"
        ? toCustomFunction(name, tool)
        : create(FunctionDefinitionSchema, described),
    ...(extra !== undefined && { extra }),
  });
}

type Chosen = { readonly choice: ToolChoice; readonly tools: Tool[] };

function toChosen({ kind }: ResponsesToolChoice, tools: Tool[]): Chosen | undefined {
  if (kind.case === "mode") return { choice: toMode(kind.value), tools };
  if (kind.case === undefined) return undefined;
  const { type, name } = kind.value;
  if (type === "allowed_tools") return toAllowed(kind.value, tools);
  if (type !== "function" && type !== "custom") {
    const reason = `there is no tool of type '${cut(String(type))}' to choose on this gateway; name a function`;
    throw wrong("tool_choice.type", reason);
  }
  if (typeof name !== "string") throw wrong("tool_choice.name", "missing");
  const value = { type: "function", function: { name } };
  return { choice: create(ToolChoiceSchema, { kind: { case: "named", value } }), tools };
}

/** A model that is given the allowed tools alone cannot call another one, whichever API it has. */
function toAllowed({ mode, tools: listed }: JsonObject, tools: Tool[]): Chosen {
  const place = "tool_choice.tools";
  if (mode !== "auto" && mode !== "required") {
    throw wrong("tool_choice.mode", "expected auto or required");
  }
  if (!Array.isArray(listed)) throw wrong(place, "expected a list of tools");
  const names = new Set(listed.map((one) => (isJsonObject(one) ? one["name"] : undefined)));
  const allowed = tools.filter((tool) => names.has(tool.function?.name));
  if (allowed.length < names.size) throw wrong(place, "a tool is not among 'tools'");
  return allowed.length === 0
    ? { choice: toMode("none"), tools }
    : { choice: toMode(mode), tools: allowed };
}

function toMode(value: string): ToolChoice {
  return create(ToolChoiceSchema, { kind: { case: "mode", value } });
}

/** The client writes the types. */
function cut(type: string): string {
  return type.slice(0, 64);
}
