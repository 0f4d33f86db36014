// Estimates how long the input of a request is that is not answered.
import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { ToolSchema } from "../gen/optamil/v1/chat_pb.ts";
import { estimateTokens } from "../usage/estimate.ts";
import type { ChatCall } from "./call.ts";
import { findRoute, type RouteParts } from "./route.ts";

/**
 * Estimated tokens of the messages and the tools. Throws what `findRoute` throws: the count is that of a request which
 * could be answered.
 */
export function countTokens(call: ChatCall, parts: RouteParts): number {
  const { promptTokens } = findRoute(call, parts).features;
  const tools: JsonValue[] = call.request.tools.map((tool) => toJson(ToolSchema, tool));
  return promptTokens + (tools.length === 0 ? 0 : estimateTokens(JSON.stringify(tools)));
}
