// The account operations through a gateway that runs.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Account } from "../gen/optamil/v1/accounts_pb.ts";
import { AdminService } from "../gen/optamil/v1/admin_pb.ts";
import { ContentService } from "../gen/optamil/v1/content_pb.ts";
import type { AccountOperations } from "./command.ts";

/** A local gateway answers in milliseconds; this bounds one that hangs. */
const timeoutMs = 10_000;

/** AdminService of the gateway at `url`, called with `key`, which needs scope admin. */
export function openRemoteAccounts(url: string, key: string): AccountOperations {
  const transport = createConnectTransport({
    baseUrl: url,
    httpVersion: "1.1",
    defaultTimeoutMs: timeoutMs,
  });
  const client = createClient(AdminService, transport);
  const content = createClient(ContentService, transport);
  const options = { headers: { authorization: `Bearer ${key}` } };
  return {
    list: (page) => client.listAccounts(page, options),
    create: (account) => client.createAccount(account, options),
    invite: ({ email, plan, expiresInDays }) =>
      client.createInvitation(
        { email, plan, ...(expiresInDays !== undefined && { expiresInDays }) },
        options,
      ),
    async setPlan(accountId, plan) {
      return accountOf(await client.setAccountPlan({ accountId, plan }, options));
    },
    keys: async (accountId) => (await client.listAccountKeys({ accountId }, options)).data,
    async revokeKey(accountId, keyId, reason) {
      const { info } = await client.revokeAccountKey({ accountId, keyId, reason }, options);
      if (info === undefined) throw new Error("the gateway answered without the key's info");
      return info;
    },
    async setRouting({ quality, ...same }) {
      const request = { ...same, ...(quality !== undefined && { quality }) };
      return accountOf(await client.setAccountRouting(request, options));
    },
    async setContentDays(accountId, days) {
      const request = { accountId, keep: days > 0, ...(days > 0 && { days }) };
      return accountOf(await content.setContentKeeping(request, options));
    },
    grant: (grant) => client.grantCredits(grant, options),
    changes: ({ limit, before, accountId }) =>
      client.listChanges({ limit, accountId, ...(before !== undefined && { before }) }, options),
    plans: async () => (await client.listPlans({}, options)).data,
    close: async () => {},
  };
}

function accountOf({ account }: { readonly account?: Account | undefined }): Account {
  if (account === undefined) throw new Error("the gateway answered without the account");
  return account;
}
