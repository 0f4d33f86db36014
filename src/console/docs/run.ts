// Runs an example of the docs as a program would: by the REST API.
import { bearerOf, readSignedInKey } from "../api/transport.ts";
import type { Example } from "./examples.ts";

/** What came back. */
export type RunResult = {
  readonly status: number;
  readonly tookMs: number;
  /** Headers that say something of the answer. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
};

const shown =
  /^(x-optamil-|x-ratelimit-(limit|remaining)$|x-request-id$|retry-after$|content-type$)/;

/** Characters of an answer that are shown. */
const bodyCharactersMax = 100_000;

/** Sends the request with a key, else as whoever is signed in; throws where the gateway does not answer. */
export async function runExample({ method, path, body }: Example, key: string): Promise<RunResult> {
  const startMs = performance.now();
  const payer = key.trim() || readSignedInKey();
  const response = await fetch(path, {
    method,
    headers: {
      ...(payer !== undefined && { authorization: bearerOf(payer) }),
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = (await response.text()).slice(0, bodyCharactersMax);
  return {
    status: response.status,
    tookMs: performance.now() - startMs,
    headers: [...response.headers].filter(([name]) => shown.test(name)),
    body: toShown(text),
  };
}

/** JSON with a line for each value, everything else as it came. */
function toShown(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text;
  }
}
