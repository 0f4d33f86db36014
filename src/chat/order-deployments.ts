// Keeps the requests of one conversation at one deployment, whose provider may have their prompt in its cache.
import type { CreateChatCompletionRequest } from "../gen/optamil/v1/chat_pb.ts";
import { hashText, mixBits } from "../platform/hash.ts";
import type { Deployment } from "../providers/deployment.ts";
import { readText } from "../router/features.ts";

/** Messages that open a conversation: the system's, and the user's first. */
const openersMax = 2;

/** What the requests of a conversation share: `prompt_cache_key`, else the user, else how it opens. */
export function affinityOf(request: CreateChatCompletionRequest): string {
  const { promptCacheKey, safetyIdentifier, user, messages } = request;
  const named = promptCacheKey || safetyIdentifier || user;
  if (named) return named;
  return messages
    .slice(0, openersMax)
    .map(({ content }) => readText(content))
    .join("\n");
}

/**
 * Deployments in the order in which requests of one affinity should try them. Over many affinities each is the first
 * for its share by weight, and where one goes only its own requests move (weighted rendezvous hashing).
 */
export function orderDeployments(
  deployments: readonly Deployment[],
  affinity: string,
): readonly Deployment[] {
  if (deployments.length < 2) return deployments;
  const start = hashText(affinity);
  return deployments
    .map((deployment) => ({ deployment, distance: distanceOf(deployment, start) }))
    .toSorted((one, other) => one.distance - other.distance)
    .map(({ deployment }) => deployment);
}

function distanceOf({ provider, upstreamModel, weight }: Deployment, start: number): number {
  const mixed = mixBits(hashText(upstreamModel, hashText(provider, start)));
  return -Math.log((mixed + 0.5) / 2 ** 32) / weight;
}
