// Keys as a table.
import type { Key } from "../../gen/optamil/v1/keys_pb.ts";
import { toCount, toCreditsText } from "../format/credits.ts";
import { toDay, toMinute } from "../format/time.ts";
import { Button } from "../ui/button.tsx";
import { Table } from "../ui/table.tsx";
import { Tag } from "../ui/tier.tsx";

type KeyTableProps = {
  readonly keys: readonly Key[];
  readonly onRevoke: (key: Key) => void;
  /** Default: keys cannot be rotated here. */
  readonly onRotate?: (key: Key) => void;
};

/** The keys, newest first, and what can be done with those that count. */
export function KeyTable({ keys, onRevoke, onRotate }: KeyTableProps) {
  const actions = (key: Key) =>
    stateOf(key).name === "revoked" || stateOf(key).name === "expired" ? null : (
      <span className="row end nowrap">
        {onRotate !== undefined && (
          <Button slim onClick={() => onRotate(key)} aria-label={`Rotate ${key.name}`}>
            Rotate
          </Button>
        )}
        <Button slim kind="danger" onClick={() => onRevoke(key)} aria-label={`Revoke ${key.name}`}>
          Revoke
        </Button>
      </span>
    );
  return (
    <Table
      caption="Keys"
      rows={keys}
      keyOf={({ id }) => id}
      columns={[
        { title: "Name", cell: (key) => <NameCell subject={key} /> },
        { title: "State", cell: (key) => <StateTag subject={key} /> },
        { title: "May", cell: ({ scopes }) => <Words words={scopes} /> },
        { title: "Bounds", cell: (key) => <Words words={boundsOf(key)} none="none of its own" /> },
        { title: "Made", cell: ({ created }) => <span className="nowrap">{toDay(created)}</span> },
        { title: "Actions", hiddenTitle: true, cell: actions },
      ]}
    />
  );
}

function NameCell({ subject: { name, lastFour } }: { readonly subject: Key }) {
  return (
    <div>
      <div className="name wrap key-name">{name}</div>
      <code className="muted nowrap">…{lastFour}</code>
    </div>
  );
}

function Words({
  words,
  none = "–",
}: {
  readonly words: readonly string[];
  readonly none?: string;
}) {
  return <span className="small muted">{words.length === 0 ? none : words.join(", ")}</span>;
}

type State = { readonly name: "active" | "ends" | "revoked" | "expired"; readonly text: string };

function stateOf({ revokedAt, expiresAt }: Key): State {
  const now = BigInt(Math.floor(Date.now() / 1_000));
  if (revokedAt !== undefined && revokedAt <= now) return { name: "revoked", text: "revoked" };
  if (expiresAt <= now) return { name: "expired", text: "expired" };
  if (revokedAt !== undefined) return { name: "ends", text: `ends ${toMinute(revokedAt)}` };
  return { name: "active", text: "active" };
}

const tones = { active: "good", ends: "warn", revoked: "plain", expired: "plain" } as const;

function StateTag({ subject }: { readonly subject: Key }) {
  const { name, text } = stateOf(subject);
  return <Tag tone={tones[name]}>{text}</Tag>;
}

const tenYearsSeconds = 10n * 365n * 86_400n;

/** What bounds a key beside its account's limits, in words. */
function boundsOf(key: Key): readonly string[] {
  const { limits, budgetMicro, models, tiers, quality } = key;
  const bounds: string[] = [];
  if (budgetMicro !== undefined) bounds.push(`${toCreditsText(budgetMicro)} credits a period`);
  const counts: readonly (readonly [number | undefined, string])[] = [
    [limits?.requestsPerMinute, "requests a minute"],
    [limits?.requestsPerDay, "requests a day"],
    [limits?.tokensPerMinute, "tokens a minute"],
    [limits?.concurrentRequests, "at once"],
  ];
  for (const [count, unit] of counts)
    if (count !== undefined) bounds.push(`${toCount(count)} ${unit}`);
  if (models.length > 0) bounds.push(`models ${models.join(" ")}`);
  if (tiers.length > 0) bounds.push(`tiers ${tiers.join(" ")}`);
  if (quality !== undefined) bounds.push(`quality ${quality}`);
  if (key.expiresAt < key.created + tenYearsSeconds - 86_400n)
    bounds.push(`until ${toDay(key.expiresAt)}`);
  return bounds;
}
