// The name of the tier of an event, for operators.
import { tierNames } from "../catalogue/tiers.ts";
import type { UsageEvent } from "../gen/optamil/v1/event_pb.ts";

/** Tier of the model that answered; undefined if none did. */
export function tierNameOf({ tier }: UsageEvent): string | undefined {
  return tierNames[tier - 1];
}
