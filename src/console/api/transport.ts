// How the console calls the gateway: the Connect clients of the protos, on the origin that it came from.
import type { Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

/** Name under which a key that signed in is kept. */
const storedKeyName = "optamil-key";

/**
 * The key that signed in, if it was a key. It is kept in this tab's session storage: it outlives a reload of the page,
 * but neither the tab nor a look from another one, and no cookie ever carries it.
 */
export function readSignedInKey(): string | undefined {
  return sessionStorage.getItem(storedKeyName) ?? undefined;
}

/** Keeps the key that signed in until the tab is closed; undefined forgets it. */
export function keepSignedInKey(key: string | undefined): void {
  if (key === undefined) sessionStorage.removeItem(storedKeyName);
  else sessionStorage.setItem(storedKeyName, key);
}

/** Tells who wants to know that a call was refused because its credential no longer counts. */
export const refusals = new EventTarget();

const identify: Interceptor = (next) => async (request) => {
  const key = readSignedInKey();
  if (key !== undefined && !request.header.has("authorization")) {
    request.header.set("authorization", bearerOf(key));
  }
  return next(request);
};

/** Value of the `authorization` header that carries a key. */
export function bearerOf(key: string): string {
  return `Bearer ${key}`;
}

/** The transport of all clients. The session's cookie goes along by itself: the origin is the gateway's own. */
export const transport = createConnectTransport({
  baseUrl: location.origin,
  useBinaryFormat: true,
  interceptors: [identify],
});
