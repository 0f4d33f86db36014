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

/** Tries of what can only be done about a second after another request. */
const triesMax = 10;

/** Sends the request with a key, else as whoever is signed in; throws where the gateway does not answer. */
export async function runExample(example: Example, key: string): Promise<RunResult> {
  const { method, path, body, after } = example;
  if (after === undefined) return send(method, path, body, key);
  const before = await send("POST", "/v1/chat/completions", after, key);
  if (before.status >= 400) return before;
  const [, requestId] = before.headers.find(([name]) => name === "x-request-id") ?? [];
  for (let tries = 1; ; tries++) {
    const result = await send(method, path, { request_id: requestId, ...body }, key);
    const [, waitS] = result.headers.find(([name]) => name === "retry-after") ?? [];
    if (result.status !== 404 || waitS === undefined || tries === triesMax) return result;
    await new Promise((resolve) => setTimeout(resolve, Number(waitS) * 1_000));
  }
}

async function send(
  method: string,
  path: string,
  body: object | undefined,
  key: string,
): Promise<RunResult> {
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
