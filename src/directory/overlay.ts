// Writes that are not in the store yet, laid over what is: a batch of records folds onto it.
import type { AccountState, DirectoryRecord, KeyState } from "../gen/optamil/v1/directory_pb.ts";
import type { OptamilError } from "../platform/errors.ts";
import { toChangeEntry } from "./diff.ts";
import { type DirectoryView, fold, type StateWrite } from "./fold.ts";

/** A view with writes of its own. */
export interface Overlay extends DirectoryView {
  /** All writes so far, in the order they came. */
  readonly writes: readonly StateWrite[];
  /** Folds a record onto the view; returns why the record is void, undefined if it is not. */
  fold(record: DirectoryRecord): OptamilError | undefined;
}

/** An overlay without writes over a view, which it only reads. */
export function createOverlay(base: DirectoryView): Overlay {
  const accounts = new Map<string, AccountState>();
  const keys = new Map<string, KeyState>();
  const emails = new Map<string, string>();
  const writes: StateWrite[] = [];

  const overlay: Overlay = {
    writes,
    account: (accountId) => accounts.get(accountId) ?? base.account(accountId),
    key: (keyId) => keys.get(keyId) ?? base.key(keyId),
    accountIdOf: (emailKey) => emails.get(emailKey) ?? base.accountIdOf(emailKey),
    fold(record) {
      const folded = fold(overlay, record);
      if (folded.refusal !== undefined) return folded.refusal;
      const entry = toChangeEntry(record, folded.writes, overlay);
      if (entry !== undefined) writes.push({ kind: "change", entry });
      for (const write of folded.writes) {
        writes.push(write);
        if (write.kind === "account") accounts.set(write.account.id, write.account);
        else if (write.kind === "key") keys.set(write.key.id, write.key);
        else if (write.kind === "email") emails.set(write.emailKey, write.accountId);
      }
      return undefined;
    },
  };
  return overlay;
}
