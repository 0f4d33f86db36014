// A request for a message as the chat request that the gateway answers.
import { create } from "@bufbuild/protobuf";
import {
  ChatContentSchema,
  type ChatMessage,
  ChatMessageSchema,
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
  FunctionDefinitionSchema,
  JsonSchemaFormatSchema,
  type ResponseFormat,
  ResponseFormatSchema,
  StopSchema,
  StreamOptionsSchema,
  type Tool,
  ToolChoiceSchema,
  ToolSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import type {
  CreateMessageRequest,
  MessagesContent,
  MessagesOutputConfig,
  MessagesThinking,
  MessagesTool,
  MessagesToolChoice,
} from "../../gen/optamil/v1/messages_pb.ts";
import { invalidRequest } from "../../platform/errors.ts";
import { blocksOf, textOfBlock, toParts, toTurnMessages } from "./turns.ts";

/** Reasoning efforts by the tokens of thinking that they stand for, least first. */
const efforts = [
  { effort: "low", budgetTokens: 1_024 },
  { effort: "medium", budgetTokens: 4_096 },
  { effort: "high", budgetTokens: 16_384 },
] as const;

/** Efforts that only some models know stand for the greatest that all reasoning models do. */
const commonEfforts: Readonly<Record<string, string>> = { xhigh: "high", max: "high" };

/** What of a request says how long its input is. */
export type Input = Pick<
  CreateMessageRequest,
  "model" | "messages" | "system" | "tools" | "toolChoice" | "thinking" | "outputConfig" | "extra"
>;

/**
 * The chat request that asks for the same. Throws `invalid_request` with its path for a block or tool that no chat
 * request has, such as a tool that the provider runs.
 */
export function toChatRequest(
  request: CreateMessageRequest,
  stream: boolean,
): CreateChatCompletionRequest {
  const { maxTokens, temperature, topP, topK, stopSequences, metadata, serviceTier } = request;
  const sampling = { ...(temperature !== undefined && { temperature }) };
  const list = { kind: { case: "list" as const, value: { values: stopSequences } } };
  return create(CreateChatCompletionRequestSchema, {
    ...toChatInput(request),
    ...sampling,
    maxCompletionTokens: maxTokens,
    ...(topP !== undefined && { topP }),
    ...(stopSequences.length > 0 && { stop: create(StopSchema, list) }),
    ...(metadata?.userId !== undefined && { user: metadata.userId }),
    ...(serviceTier !== undefined && {
      serviceTier: serviceTier === "standard_only" ? "default" : serviceTier,
    }),
    ...(stream && {
      stream,
      streamOptions: create(StreamOptionsSchema, { includeUsage: true }),
    }),
    ...(request.optamil !== undefined && { optamil: request.optamil }),
    ...((request.extra !== undefined || topK !== undefined) && {
      extra: { ...request.extra, ...(topK !== undefined && { top_k: topK }) },
    }),
  });
}

/** The part of it that the model reads. */
export function toChatInput(input: Input): CreateChatCompletionRequest {
  const { model, messages, system, tools, toolChoice, thinking, outputConfig } = input;
  const reasoningEffort = toEffort(thinking, outputConfig);
  const format = toFormat(outputConfig);
  return create(CreateChatCompletionRequestSchema, {
    model,
    messages: [
      ...toSystemMessages(system),
      ...messages.flatMap((turn, at) => toTurnMessages(turn, `messages[${at}]`)),
    ],
    tools: tools.map(toTool),
    ...toChoice(toolChoice),
    ...(reasoningEffort !== undefined && { reasoningEffort }),
    ...(format !== undefined && { responseFormat: format }),
  });
}

/** Blocks without marks are one text: not every server takes parts there. */
function toSystemMessages(system: MessagesContent | undefined): ChatMessage[] {
  if (system === undefined) return [];
  const blocks = blocksOf(system);
  const texts = blocks.map((block, at) => textOfBlock(block, `system[${at}]`));
  if (texts.length === 0) return [];
  const isPlain = blocks.every(({ extra }) => extra === undefined);
  const kind = isPlain
    ? { case: "text" as const, value: texts.join("\n\n") }
    : { case: "parts" as const, value: { values: toParts(blocks, "system") } };
  const content = create(ChatContentSchema, { kind });
  return [create(ChatMessageSchema, { role: "system", content })];
}

function toTool({ type, name, description, inputSchema, strict, extra }: MessagesTool, at: number) {
  if (type !== undefined && type !== "custom") {
    const message = `Invalid 'tools[${at}].type': tools of type '${type.slice(0, 64)}' are not offered; describe the tool with input_schema.`;
    throw invalidRequest(message, `tools[${at}].type`);
  }
  const described = create(FunctionDefinitionSchema, {
    name,
    ...(description !== undefined && { description }),
    ...(inputSchema !== undefined && { parameters: inputSchema }),
    ...(strict !== undefined && { strict }),
  });
  const tool: Tool = create(ToolSchema, { type: "function", function: described });
  return extra === undefined ? tool : { ...tool, extra };
}

function toChoice(
  choice: MessagesToolChoice | undefined,
): Pick<Partial<CreateChatCompletionRequest>, "toolChoice" | "parallelToolCalls"> {
  if (choice === undefined) return {};
  const { type, name = "", disableParallelToolUse } = choice;
  const kind =
    type === "tool"
      ? { case: "named" as const, value: { type: "function", function: { name } } }
      : { case: "mode" as const, value: type === "any" ? "required" : type };
  return {
    toolChoice: create(ToolChoiceSchema, { kind }),
    ...(disableParallelToolUse !== undefined && { parallelToolCalls: !disableParallelToolUse }),
  };
}

/** The greatest effort whose tokens the budget reaches; an adaptive model thinks much unless it is told how much. */
function toEffort(
  thinking: MessagesThinking | undefined,
  output: MessagesOutputConfig | undefined,
): string | undefined {
  if (thinking?.type === "disabled") return undefined;
  if (output?.effort !== undefined) return commonEfforts[output.effort] ?? output.effort;
  if (thinking === undefined) return undefined;
  const { budgetTokens = Number.POSITIVE_INFINITY } = thinking;
  return efforts.findLast((row) => row.budgetTokens <= budgetTokens)?.effort ?? "low";
}

function toFormat(output: MessagesOutputConfig | undefined): ResponseFormat | undefined {
  const schema = output?.format?.schema;
  if (schema === undefined) return undefined;
  const jsonSchema = create(JsonSchemaFormatSchema, { name: "answer", schema, strict: true });
  return create(ResponseFormatSchema, { type: "json_schema", jsonSchema });
}
