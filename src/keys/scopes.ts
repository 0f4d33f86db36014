// What a key may be allowed to do.

/** Every scope that a key can have. */
export const scopes = ["chat", "models", "usage:read", "keys:write", "admin"] as const;

/** One scope. */
export type Scope = (typeof scopes)[number];

/** Scopes of a key that was asked for without any. */
export const defaultScopes: readonly Scope[] = ["chat", "models", "usage:read"];

/** Scopes of the first key of an account, by which its owner makes the others. */
export const ownerScopes: readonly Scope[] = [...defaultScopes, "keys:write"];
