// AdminService: accounts, plans, credits and the warehouse, for keys with scope admin.
import { create } from "@bufbuild/protobuf";
import type { AccountManager } from "../../directory/manage.ts";
import {
  AdminService,
  AuditResponseSchema,
  CreateAccountResponseSchema,
  CreateInvitationResponseSchema,
  QueryWarehouseResponseSchema,
  RefundUsageResponseSchema,
  SetAccountPlanResponseSchema,
} from "../../gen/optamil/v1/admin_pb.ts";
import type { Finding } from "../../usage/audit.ts";
import type { RefundUsage } from "../../usage/refund.ts";
import { type MethodEntry, unary } from "../exchange.ts";

/** An invitation, and when it ends, Unix seconds. */
export type CreatedInvitation = { readonly invitation: string; readonly expiresAt: number };

/** What the service stands on. */
export type AdminParts = {
  readonly accounts: AccountManager;
  /** Invites an address to sign up, for so many days (default 7). Throws `invalid_request` (no such plan). */
  readonly invite: (
    email: string,
    plan: string,
    days: number | undefined,
  ) => Promise<CreatedInvitation>;
  readonly refund: RefundUsage;
  /** Asks the warehouse one reading statement; the answer in a ClickHouse format, default JSONEachRow. */
  readonly sql: (text: string, format: string | undefined) => Promise<string>;
  /** Runs the audits. */
  readonly audit: () => Promise<readonly Finding[]>;
};

/** The methods of AdminService. */
export function adminMethods(parts: AdminParts): readonly MethodEntry[] {
  return [...accountMethods(parts), ...warehouseMethods(parts)];
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
    unary(method.grantCredits, (grant, { caller }) => accounts.grant(grant, caller.keyId)),
    unary(method.listPlans, () => accounts.plans()),
    unary(method.listChanges, (page) => accounts.changes(page)),
  ];
}

function warehouseMethods({ refund, sql, audit }: AdminParts): MethodEntry[] {
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
    unary(method.audit, async () =>
      create(AuditResponseSchema, { object: "list", data: [...(await audit())] }),
    ),
  ];
}
