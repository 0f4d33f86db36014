// What the keys need to know of the directory.
import type { DirectoryRecord } from "../gen/optamil/v1/directory_pb.ts";
import type { KeyLimits } from "../gen/optamil/v1/keys_pb.ts";

/** What the directory knows of a key. */
export type RegisteredKey = {
  /** Whose it is. */
  readonly accountId: string;
  /** Unix microseconds at which it ends, which can be to come; absent: nobody has ended it. */
  readonly revokedAtUs?: bigint | undefined;
  /** Tiers of the models that it may ask for. Default, also for none: all. */
  readonly tiers?: readonly string[] | undefined;
  /** Its limits beside the account's. Default: none. */
  readonly limits?: KeyLimits | undefined;
  /** What becomes of parameters that a model cannot take. Default, also for "": the gateway's policy. */
  readonly parameterPolicy?: string | undefined;
  /** Quality of its requests for `auto` that ask for none, 0 to 1. Default: the account's. */
  readonly quality?: number | undefined;
};

/** The keys that were ever made. Asked on every request, so it answers from memory or a local table. */
export interface KeyRegistry {
  /** The key by its token's jti, undefined if there is none; the same object until it changes. May throw `service_unavailable`. */
  key(keyId: string): RegisteredKey | undefined;
}

/** What the first start reads and writes. */
export interface FirstAccountStore extends KeyRegistry {
  /** The account, undefined if there is none. */
  account(accountId: string): unknown;
  /** The first accounts. */
  accounts(page: { readonly limit: number }): { readonly accounts: readonly unknown[] };
  /** Makes a change durable. */
  append(
    change: DirectoryRecord["change"],
    write: { readonly actor: string; readonly expectedVersion: bigint },
  ): Promise<void>;
}
