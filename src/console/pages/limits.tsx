// What the account may use: the plan's limits, and budgets of keys and tags.
import { createClient } from "@connectrpc/connect";
import { useState } from "react";
import { type Budget, BudgetService } from "../../gen/optamil/v1/budgets_pb.ts";
import { type Key, KeyService } from "../../gen/optamil/v1/keys_pb.ts";
import { useAction, useLoad } from "../api/load.ts";
import { useAccount, useScope } from "../api/session.tsx";
import { transport } from "../api/transport.ts";
import { shareOf, toCount, toCreditsText, toPercent } from "../format/credits.ts";
import { BudgetForm } from "../parts/budget-form.tsx";
import { Button } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Card, Empty, FailureNotice, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";
import { Meter } from "../ui/tier.tsx";

const budgetClient = createClient(BudgetService, transport);
const keyClient = createClient(KeyService, transport);

/** The page of limits and budgets. */
export default function Limits() {
  return (
    <>
      <PageHead
        title="Limits and budgets"
        lead="Limits say how fast, budgets how much. What is over a limit is refused with 429, what is over a budget with 402."
      />
      <div className="stack wide">
        <PlanLimits />
        <Budgets />
      </div>
    </>
  );
}

function PlanLimits() {
  const { account, limits } = useAccount();
  const facts = [
    ["Requests a minute", limits?.requestsPerMinute],
    ["Requests a day (UTC)", limits?.requestsPerDay],
    ["Tokens a minute", limits?.tokensPerMinute],
  ] as const;
  return (
    <Card title={`Limits of plan ${account?.plan ?? ""}`}>
      <dl className="facts">
        {facts.map(([name, count]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd className="figure">{toCount(count ?? 0)}</dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

/** The budgets, with the names of the keys where they may be read. */
async function loadBudgets(signal: AbortSignal, mayReadKeys: boolean) {
  const [{ data }, { data: keys }] = await Promise.all([
    budgetClient.listBudgets({}, { signal }),
    mayReadKeys ? keyClient.listKeys({}, { signal }) : { data: [] },
  ]);
  return { budgets: data, keys };
}

function Budgets() {
  const mayWrite = useScope("keys:write");
  const { load, reload } = useLoad((signal) => loadBudgets(signal, mayWrite));
  const [open, setOpen] = useState(false);
  const remove = useAction();
  const drop = (budgetId: string) =>
    void remove.run(async () => {
      await budgetClient.deleteBudget({ budgetId });
      reload();
    });
  return (
    <Card
      flush
      title="Budgets of this billing period"
      tools={
        mayWrite && (
          <Button slim onClick={() => setOpen(true)}>
            Set a budget
          </Button>
        )
      }
    >
      <FailureNotice failure={remove.failure} />
      <Loaded load={load} reload={reload}>
        {({ budgets, keys }) => (
          <>
            <BudgetTable budgets={budgets} keys={keys} onDrop={mayWrite ? drop : undefined} />
            {open && (
              <Dialog title="Set a budget" onClose={() => setOpen(false)}>
                <BudgetForm
                  keys={keys}
                  onCancel={() => setOpen(false)}
                  save={async (budget) => {
                    await budgetClient.setBudget(budget);
                    setOpen(false);
                    reload();
                  }}
                />
              </Dialog>
            )}
          </>
        )}
      </Loaded>
    </Card>
  );
}

type BudgetTableProps = {
  readonly budgets: readonly Budget[];
  readonly keys: readonly Key[];
  readonly onDrop: ((budgetId: string) => void) | undefined;
};

function BudgetTable({ budgets, keys, onDrop }: BudgetTableProps) {
  if (budgets.length === 0) {
    return (
      <Empty title="No budgets">
        Each key and tag may use what the account may. A budget bounds one of them.
      </Empty>
    );
  }
  const nameOf = (id: string) => toBudgetName(id, keys);
  return (
    <Table
      caption="Budgets"
      rows={budgets}
      keyOf={({ id }) => id}
      columns={[
        { title: "Of", cell: ({ id }) => <span className="wrap">{nameOf(id)}</span> },
        { title: "Used", cell: (budget) => <BudgetShare budget={budget} /> },
        {
          title: "Left",
          right: true,
          cell: (budget) => toCreditsText(budget.creditsRemainingMicro),
        },
        { title: "Budget", right: true, cell: (budget) => toCreditsText(budget.creditsMicro) },
        {
          title: "Actions",
          hiddenTitle: true,
          cell: ({ id }) =>
            onDrop && (
              <span className="row end">
                <Button
                  slim
                  onClick={() => onDrop(id)}
                  aria-label={`Remove the budget of ${nameOf(id)}`}
                >
                  Remove
                </Button>
              </span>
            ),
        },
      ]}
    />
  );
}

function toBudgetName(id: string, keys: readonly Key[]): string {
  const [kind, ...rest] = id.split(":");
  const name = rest.join(":");
  if (kind !== "key") return `tag ${name}`;
  return `key ${keys.find((key) => key.id === name)?.name ?? name}`;
}

function BudgetShare({ budget }: { readonly budget: Budget }) {
  const share = shareOf(budget.creditsUsedMicro, budget.creditsMicro);
  return (
    <div className="budget-share">
      <Meter share={share} label="Share of the budget that is used" />
      <span className="small number nowrap">
        {toCreditsText(budget.creditsUsedMicro)} ({toPercent(share)})
      </span>
    </div>
  );
}
