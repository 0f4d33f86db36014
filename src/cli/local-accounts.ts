// The account operations on the data of a gateway that does not run.
import { create } from "@bufbuild/protobuf";
import type { AccountManager } from "../directory/manage.ts";
import { CreateAccountResponseSchema } from "../gen/optamil/v1/admin_pb.ts";
import type { KeyManager } from "../keys/manage.ts";
import type { AccountOperations } from "./command.ts";

const actor = "cli";
const actorFor = (accountId: string) => ({ accountId, name: actor, scopes: [] });

/** The operations of managers; `close` lets go of the directory behind it. */
export function openLocalAccounts(
  manager: AccountManager,
  keys: KeyManager,
  invite: AccountOperations["invite"],
  close: () => Promise<void>,
): AccountOperations {
  return {
    list: async (page) => manager.list(page),
    create: async (account) =>
      create(CreateAccountResponseSchema, await manager.create(account, actor)),
    invite,
    setPlan: (accountId, plan) => manager.setPlan(accountId, plan, actor),
    keys: async (accountId) => keys.list(actorFor(manager.find(accountId).id)),
    revokeKey: (accountId, keyId, reason) => keys.revoke(keyId, reason, actorFor(accountId)),
    setRouting: (routing) => manager.setRouting(routing, actor),
    setContentDays: (accountId, days) => manager.setContentDays(accountId, days, actor),
    grant: (grant) => manager.grant(grant, actor),
    changes: async (page) => manager.changes(page),
    plans: async () => manager.plans().data,
    close,
  };
}
