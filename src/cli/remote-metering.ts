// The metering operations, through a gateway that runs.
import { setTimeout } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService } from "../gen/optamil/v1/admin_pb.ts";
import { BudgetService } from "../gen/optamil/v1/budgets_pb.ts";
import { UsageService } from "../gen/optamil/v1/usage_pb.ts";
import type { MeteringOperations } from "./command.ts";

/** Above what the gateway waits for its warehouse: 70 seconds. */
const timeoutMs = 80_000;

/** A gateway serves before its warehouse is there: for so long a question waits for it, milliseconds. */
const startMs = 15_000;
const againMs = 500;

async function onceThere<Result>(ask: () => Promise<Result>): Promise<Result> {
  const endMs = performance.now() + startMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const isAway = error instanceof ConnectError && error.code === Code.Unavailable;
      if (!isAway || performance.now() > endMs) throw error;
    }
    await setTimeout(againMs);
  }
}

/** UsageService, BudgetService and AdminService of the gateway at `url`, called with `key`. */
export function openRemoteMetering(url: string, key: string): MeteringOperations {
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    defaultTimeoutMs: timeoutMs,
  });
  const admin = createClient(AdminService, transport);
  const account = createClient(UsageService, transport);
  const budgets = createClient(BudgetService, transport);
  const options = { headers: { authorization: `Bearer ${key}` } };
  return {
    usage: () => account.getUsage({}, options),
    budgets: ({ accountId, ...page }) =>
      accountId === undefined
        ? budgets.listBudgets(page, options)
        : admin.listAccountBudgets({ ...page, accountId }, options),
    async setBudget({ accountId, ...asked }) {
      const { budget } = await (accountId === undefined
        ? budgets.setBudget(asked, options)
        : admin.setAccountBudget({ ...asked, accountId }, options));
      if (budget === undefined) throw new Error("the gateway answered without the budget");
      return budget;
    },
    async deleteBudget(budgetId, accountId) {
      const { id } = await (accountId === undefined
        ? budgets.deleteBudget({ budgetId }, options)
        : admin.deleteAccountBudget({ budgetId, accountId }, options));
      return id;
    },
    sql: (text, format) =>
      onceThere(async () => (await admin.queryWarehouse({ sql: text, format }, options)).text),
    audit: () => onceThere(async () => (await admin.audit({}, options)).data),
    refund: (accountId, eventId) => admin.refundUsage({ accountId, eventId }, options),
  };
}
