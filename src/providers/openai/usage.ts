// Reads what an upstream says of the tokens it used.

import { type ChatUsage, ChatUsageSchema } from "../../gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../../platform/json.ts";
import { isObject, toCount } from "../json-values.ts";

const usageCodec = jsonCodec(ChatUsageSchema);

/** The usage; undefined if the counts that it must have are missing or no counts. A missing total is the sum. */
export function readUsage(usage: unknown): ChatUsage | undefined {
  if (!isObject(usage)) return undefined;
  const promptTokens = toCount(usage["prompt_tokens"]);
  const completionTokens = toCount(usage["completion_tokens"]);
  if (promptTokens === undefined || completionTokens === undefined) return undefined;
  const counts = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: toCount(usage["total_tokens"]) ?? promptTokens + completionTokens,
  };
  try {
    return usageCodec.decode({ ...usage, ...counts });
  } catch {
    // Details in a shape of the provider's own must not cost us the counts.
    return usageCodec.decode(counts);
  }
}
