// How a request ended, in words.
import { Tag } from "../ui/tier.tsx";

const words = {
  ok: ["answered", "good"],
  stream_ok: ["streamed", "good"],
  client_cancel_before: ["left before the answer", "plain"],
  client_cancel_partial: ["left during the answer", "plain"],
  upstream_error: ["provider failed", "bad"],
  upstream_partial: ["provider broke off", "bad"],
  timeout: ["took too long", "bad"],
  gateway_abort: ["gateway stopped", "bad"],
  rejected_402: ["no credits", "warn"],
  rejected_429: ["too fast", "warn"],
  rejected_4xx: ["refused", "warn"],
  adjustment: ["refund", "plain"],
} as const;

/** Names of the outcomes that a request can have. */
export const outcomeNames = Object.keys(words).filter((name) => name !== "adjustment");

/** The outcome as a coloured word. */
export function Outcome({ outcome }: { readonly outcome: string }) {
  const found = Object.entries(words).find(([name]) => name === outcome);
  const [text, tone] = found?.[1] ?? [outcome, "plain"];
  return <Tag tone={tone}>{text}</Tag>;
}
