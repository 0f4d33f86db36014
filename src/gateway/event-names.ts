// Names of what stands as a number in an event, for operators.
import { tierNames } from "../catalogue/tiers.ts";
import { Operation, type UsageEvent } from "../gen/optamil/v1/event_pb.ts";

/** Tier of the model that answered; undefined if none did. */
export function tierNameOf({ tier }: UsageEvent): string | undefined {
  return tierNames[tier - 1];
}

/** What was asked for, as OpenTelemetry's GenAI conventions call it. */
export function operationName({ operation }: UsageEvent): string {
  return operation === Operation.EMBEDDINGS ? "embeddings" : "chat";
}
