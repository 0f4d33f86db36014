// The account operations on the data of a gateway that does not run.
import { create } from "@bufbuild/protobuf";
import type { AccountManager } from "../directory/manage.ts";
import { CreateAccountResponseSchema } from "../gen/optamil/v1/admin_pb.ts";
import type { AccountOperations } from "./command.ts";

const actor = "cli";

/** The operations of a manager; `close` lets go of the directory behind it. */
export function openLocalAccounts(
  manager: AccountManager,
  invite: AccountOperations["invite"],
  close: () => Promise<void>,
): AccountOperations {
  return {
    list: async (page) => manager.list(page),
    create: async (account) =>
      create(CreateAccountResponseSchema, await manager.create(account, actor)),
    invite,
    setPlan: (accountId, plan) => manager.setPlan(accountId, plan, actor),
    grant: (grant) => manager.grant(grant, actor),
    changes: async (page) => manager.changes(page),
    plans: async () => manager.plans().data,
    close,
  };
}
