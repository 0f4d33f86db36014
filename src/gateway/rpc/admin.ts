// AdminService: accounts, their keys and budgets, plans, credits and the warehouse, for keys with scope admin.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { AccountManager } from "../../directory/manage.ts";
import {
  AdminService,
  AuditResponseSchema,
  CreateAccountResponseSchema,
  CreateInvitationResponseSchema,
  DeleteAccountBudgetResponseSchema,
  ListAccountBudgetsResponseSchema,
  ListAccountKeysResponseSchema,
  QueryWarehouseResponseSchema,
  RefundUsageResponseSchema,
  RevokeAccountKeyResponseSchema,
  SetAccountBudgetResponseSchema,
  SetAccountPlanResponseSchema,
  SetAccountRoutingResponseSchema,
} from "../../gen/optamil/v1/admin_pb.ts";
import { GetSystemResponseSchema } from "../../gen/optamil/v1/system_pb.ts";
import type { KeyManager } from "../../keys/manage.ts";
import type { Caller } from "../../keys/verify.ts";
import type { Finding } from "../../usage/audit.ts";
import type { RefundUsage } from "../../usage/refund.ts";
import { type MethodEntry, unary } from "../exchange.ts";
import type { BudgetDesk } from "./budgets.ts";

/** An invitation, and when it ends, Unix seconds. */
export type CreatedInvitation = { readonly invitation: string; readonly expiresAt: number };

/** How the gateway and what it stands on are. */
export type SystemReport = MessageInitShape<typeof GetSystemResponseSchema>;

/** What the service stands on. */
export type AdminParts = {
  readonly accounts: AccountManager;
  /** Invites an address to sign up, for so many days (default 7). Throws `invalid_request` (no such plan). */
  readonly invite: (
    email: string,
    plan: string,
    days: number | undefined,
  ) => Promise<CreatedInvitation>;
  /** The keys of any account. */
  readonly manager: Pick<KeyManager, "list" | "revoke">;
  readonly desk: BudgetDesk;
  readonly refund: RefundUsage;
  /** Asks the warehouse one reading statement; the answer in a ClickHouse format, default JSONEachRow. */
  readonly sql: (text: string, format: string | undefined) => Promise<string>;
  /** Looks at everything that an operator should know of; takes ten seconds at most. */
  readonly system: () => Promise<SystemReport>;
  /** Runs the audits. */
  readonly audit: () => Promise<readonly Finding[]>;
};

/** The methods of AdminService. */
export function adminMethods(parts: AdminParts): readonly MethodEntry[] {
  return [...accountMethods(parts), ...spendingMethods(parts), ...warehouseMethods(parts)];
}

/** Keys and budgets of any account. */
function spendingMethods({ accounts, manager, desk }: AdminParts): MethodEntry[] {
  const { method } = AdminService;
  // An admin is limited by nothing in what he takes away.
  const actorOf = ({ keyId: name }: Caller, accountId: string) => ({ accountId, name, scopes: [] });
  return [
    unary(method.listAccountKeys, ({ accountId }, { caller }) => {
      const data = [...manager.list(actorOf(caller, accounts.find(accountId).id))];
      return create(ListAccountKeysResponseSchema, { object: "list", data });
    }),
    unary(method.revokeAccountKey, async ({ accountId, keyId, reason }, { caller }) =>
      create(RevokeAccountKeyResponseSchema, {
        info: await manager.revoke(keyId, reason, actorOf(caller, accountId)),
      }),
    ),
    unary(method.listAccountBudgets, async ({ accountId, ...page }) =>
      create(ListAccountBudgetsResponseSchema, await desk.list(accounts.find(accountId).id, page)),
    ),
    unary(method.setAccountBudget, async (asked, { caller }) =>
      create(SetAccountBudgetResponseSchema, await desk.set(asked, caller.keyId)),
    ),
    unary(method.deleteAccountBudget, async (asked, { caller }) =>
      create(DeleteAccountBudgetResponseSchema, await desk.remove(asked, caller.keyId)),
    ),
  ];
}

function accountMethods({ accounts, invite }: AdminParts): MethodEntry[] {
  const { method } = AdminService;
  return [
    unary(method.listAccounts, (page) => accounts.list(page)),
    unary(method.createAccount, async (request, { caller }) =>
      create(CreateAccountResponseSchema, await accounts.create(request, caller.keyId)),
    ),
    unary(method.createInvitation, async ({ email, plan, expiresInDays }) => {
      const made = await invite(email, plan, expiresInDays);
      return create(CreateInvitationResponseSchema, {
        invitation: made.invitation,
        expiresAt: BigInt(made.expiresAt),
      });
    }),
    unary(method.setAccountPlan, async ({ accountId, plan }, { caller }) =>
      create(SetAccountPlanResponseSchema, {
        account: await accounts.setPlan(accountId, plan, caller.keyId),
      }),
    ),
    unary(method.setAccountRouting, async (routing, { caller }) =>
      create(SetAccountRoutingResponseSchema, {
        account: await accounts.setRouting(routing, caller.keyId),
      }),
    ),
    unary(method.grantCredits, (grant, { caller }) => accounts.grant(grant, caller.keyId)),
    unary(method.listPlans, () => accounts.plans()),
    unary(method.listChanges, (page) => accounts.changes(page)),
  ];
}

function warehouseMethods({ refund, sql, system, audit }: AdminParts): MethodEntry[] {
  const { method } = AdminService;
  return [
    unary(method.refundUsage, async ({ accountId, eventId }) =>
      create(RefundUsageResponseSchema, await refund(accountId, eventId)),
    ),
    unary(method.queryWarehouse, async ({ sql: text, format }) =>
      create(QueryWarehouseResponseSchema, {
        text: await sql(text, format === "" ? undefined : format),
      }),
    ),
    unary(method.getSystem, async () => create(GetSystemResponseSchema, await system())),
    unary(method.audit, async () =>
      create(AuditResponseSchema, { object: "list", data: [...(await audit())] }),
    ),
  ];
}
