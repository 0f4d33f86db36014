// ContentService: whether what is said in an account's requests is kept, and what was.
import { create } from "@bufbuild/protobuf";
import type { AccountManager } from "../../directory/manage.ts";
import {
  ContentService,
  DeleteRequestContentResponseSchema,
  GetRequestContentResponseSchema,
  SetContentKeepingResponseSchema,
} from "../../gen/optamil/v1/content_pb.ts";
import { invalidRequest, OptamilError } from "../../platform/errors.ts";
import type { ContentStore } from "../../usage/content-store.ts";
import { type MethodEntry, unary } from "../exchange.ts";

/** What the service stands on. */
export type ContentParts = {
  readonly accounts: Pick<AccountManager, "find" | "setContentDays">;
  readonly store: ContentStore;
  /** Whether the operator lets spans have content. */
  readonly isTraced: boolean;
};

const daysDefault = 7;

/** The methods of ContentService. */
export function contentMethods({
  accounts,
  store,
  isTraced,
}: ContentParts): readonly MethodEntry[] {
  const { method } = ContentService;
  return [
    unary(method.setContentKeeping, async ({ accountId, keep, days, spans }, { caller }) => {
      const isOther = accountId !== "" && accountId !== caller.accountId;
      if (isOther && !caller.scopes.includes("admin")) {
        const message = "Only a key with scope admin may name another account.";
        throw new OptamilError("permission_denied", message, { param: "account_id" });
      }
      if (spans && !isTraced) {
        const message =
          "No prompts and answers go into traces here: the operator's configuration has no telemetry.content.";
        throw invalidRequest(message, "spans");
      }
      const id = accounts.find(accountId || caller.accountId).id;
      const contentDays = keep ? (days ?? daysDefault) : 0;
      const account = await accounts.setContentDays(id, contentDays, caller.keyId, spans);
      if (!keep) await store.removeAll(id);
      return create(SetContentKeepingResponseSchema, { account });
    }),
    unary(method.getRequestContent, async ({ requestId }, { caller }) => {
      // What another replica kept a moment after it was switched off is there until the next sweep.
      const isKept = accounts.find(caller.accountId).contentDays !== undefined;
      const found = isKept ? await store.get(caller.accountId, requestId) : undefined;
      if (found !== undefined) {
        const expiresAt = BigInt(Math.floor(found.expiresAtMs / 1_000));
        return create(GetRequestContentResponseSchema, { ...found, expiresAt });
      }
      const message = "Nothing is kept of a request with that id.";
      throw new OptamilError("not_found", message, { param: "request_id" });
    }),
    unary(method.deleteRequestContent, async ({ requestId }, { caller }) => {
      await store.remove(caller.accountId, requestId);
      return create(DeleteRequestContentResponseSchema, { requestId, deleted: true });
    }),
  ];
}
