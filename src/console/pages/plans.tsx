// The plans, for operators.
import { createClient } from "@connectrpc/connect";
import { AdminService } from "../../gen/optamil/v1/admin_pb.ts";
import { useLoad } from "../api/load.ts";
import { transport } from "../api/transport.ts";
import { toCount, toCreditsText } from "../format/credits.ts";
import { Card, Loaded, PageHead } from "../ui/layout.tsx";
import { Table } from "../ui/table.tsx";

const adminClient = createClient(AdminService, transport);

/** The page of the plans. */
export default function Plans() {
  const { load, reload } = useLoad((signal) => adminClient.listPlans({}, { signal }));
  return (
    <>
      <PageHead
        title="Plans"
        lead="What an account may use. The configuration's plans add rows, or change these; an account is put on another plan on its own page."
      />
      <Card flush>
        <Loaded load={load} reload={reload}>
          {({ data }) => (
            <Table
              caption="Plans"
              rows={data}
              keyOf={({ id }) => id}
              columns={[
                { title: "Plan", cell: ({ id }) => <strong>{id}</strong> },
                {
                  title: "Credits a month",
                  right: true,
                  cell: ({ creditsPerMonthMicro: micro }) =>
                    micro === undefined ? "by grants" : toCreditsText(micro),
                },
                {
                  title: "Requests / min",
                  right: true,
                  cell: (plan) => toCount(plan.requestsPerMinute),
                },
                {
                  title: "Requests / day",
                  right: true,
                  cell: (plan) => toCount(plan.requestsPerDay),
                },
                {
                  title: "Tokens / min",
                  right: true,
                  cell: (plan) => toCount(plan.tokensPerMinute),
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  );
}
