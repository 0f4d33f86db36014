// Reads what an upstream says of the tokens it used.

import { type ChatUsage, ChatUsageSchema } from "../../gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../../platform/json.ts";
import { isObject, toCount } from "../json-values.ts";

/** What a count of our messages can hold: 32 bits. */
const tokensMax = 2 ** 32 - 1;

const usageCodec = jsonCodec(ChatUsageSchema);

/** The usage; undefined if the counts that it must have are missing, no counts or absurd. A missing total is the sum. */
export function readUsage(usage: unknown): ChatUsage | undefined {
  if (!isObject(usage)) return undefined;
  const promptTokens = toCount(usage["prompt_tokens"]);
  const completionTokens = toCount(usage["completion_tokens"]);
  if (promptTokens === undefined || completionTokens === undefined) return undefined;
  // Nobody has used so many: whoever says so has not counted.
  if (promptTokens + completionTokens > tokensMax) return undefined;
  const totalTokens = toCount(usage["total_tokens"]) ?? tokensMax + 1;
  const counts = {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: totalTokens <= tokensMax ? totalTokens : promptTokens + completionTokens,
  };
  try {
    return usageCodec.decode({ ...usage, ...counts, ...toDetails(usage) });
  } catch {
    // Details in a shape of the provider's own must not cost us the counts.
    return usageCodec.decode(counts);
  }
}

/** What was read from the cache, where it stands beside the details: in DeepSeek's member, or in Moonshot's. */
function toDetails(usage: Readonly<Record<string, unknown>>): object {
  const cached = toCount(usage["prompt_cache_hit_tokens"]) ?? toCount(usage["cached_tokens"]);
  if (cached === undefined || isObject(usage["prompt_tokens_details"])) return {};
  return { prompt_tokens_details: { cached_tokens: cached } };
}
