// Reads from a chat request what its caller asks of the router.

import { type TierName, tierNames } from "../catalogue/tiers.ts";
import type { CreateChatCompletionRequest } from "../gen/optamil/v1/chat_pb.ts";
import { defaultQuality, type Preferences } from "./preferences.ts";

/** The preferences of a request: its own word on quality, else the given one, else the default. */
export function readPreferences(
  request: CreateChatCompletionRequest,
  quality: number | undefined,
): Preferences {
  const { optamil } = request;
  return {
    quality: optamil?.quality ?? quality ?? defaultQuality,
    maxCostUsd: optamil?.maxCostUsd,
    prefer: optamil?.prefer,
    avoid: optamil?.avoid,
    tierMin: toTier(optamil?.tierMin),
    tierMax: toTier(optamil?.tierMax),
  };
}

function toTier(name: string | undefined): TierName | undefined {
  return tierNames.find((tier) => tier === name);
}
