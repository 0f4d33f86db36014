// The tables of the docs, made from those of the sources.
import { toCount } from "../format/credits.ts";
import { Table } from "../ui/table.tsx";
import { Tag, Tier } from "../ui/tier.tsx";
import { reference } from "./reference.ts";

/** What to do about each row of the error table, by its name. */
const remedies: Readonly<Record<string, string>> = {
  invalid_request: "Mend what the message names; param is its JSON path.",
  context_length_exceeded: "Shorten the conversation, or ask for a model with a larger window.",
  unauthenticated: "Send a key that is not revoked and not expired.",
  insufficient_credits: "Wait for the next period, or have credits granted. A retry does not help.",
  permission_denied: "Use a key with the scope, model or tier that the message names.",
  model_not_found: "Take a name from /v1/models.",
  not_found: "Mend the path or the id.",
  method_not_allowed: "Use a method that the Allow header names.",
  timeout: "Give it a longer deadline, or stream.",
  conflict: "The same Idempotency-Key still runs, or somebody changed the same thing: try again.",
  body_too_large: "Send less than 32 MiB.",
  unsupported_media_type: "Send application/json.",
  idempotency_mismatch: "Use another Idempotency-Key for another request.",
  rate_limit_exceeded: "Wait for Retry-After seconds.",
  internal: "Try again; tell the operator the request id if it goes on.",
  service_unavailable:
    "Try again after Retry-After; every model that could serve has failed, or is not configured.",
};

/** Every refusal, as each door shows it. */
export function ErrorTable() {
  return (
    <Table
      caption="Errors"
      rows={reference.errors}
      keyOf={({ name }) => name}
      columns={[
        { title: "Code", cell: ({ status }) => <strong>{status}</strong> },
        { title: "Type", cell: ({ type }) => <code className="nowrap">{type}</code> },
        {
          title: "gRPC, Connect",
          cell: ({ connect }) => <code className="nowrap">{connect}</code>,
        },
        {
          title: "Retry",
          cell: ({ retry }) => (retry ? <Tag tone="good">helps</Tag> : <Tag>no</Tag>),
        },
        { title: "What to do", cell: ({ name }) => <span className="what">{remedies[name]}</span> },
      ]}
    />
  );
}

/** The built-in plans and their limits. */
export function PlanTable() {
  return (
    <Table
      caption="Plans"
      rows={reference.plans}
      keyOf={({ name }) => name}
      columns={[
        { title: "Plan", cell: ({ name }) => <strong>{name}</strong> },
        {
          title: "Credits a month",
          right: true,
          cell: ({ creditsPerMonth }) =>
            creditsPerMonth === undefined ? "by contract" : toCount(creditsPerMonth),
        },
        { title: "Requests / min", right: true, cell: (plan) => toCount(plan.requestsPerMinute) },
        { title: "Requests / day", right: true, cell: (plan) => toCount(plan.requestsPerDay) },
        { title: "Tokens / min", right: true, cell: (plan) => toCount(plan.tokensPerMinute) },
      ]}
    />
  );
}

/** The tiers and what they suit. */
export function TierTable() {
  return (
    <Table
      caption="Tiers"
      rows={reference.tiers}
      keyOf={({ name }) => name}
      columns={[
        { title: "Tier", cell: ({ name }) => <Tier name={name} /> },
        {
          title: "US$ / 1M tokens",
          right: true,
          cell: ({ priceUsd }) => `$${priceUsd.toFixed(2)}`,
        },
        { title: "Suits", cell: ({ bestFor }) => bestFor },
      ]}
    />
  );
}
