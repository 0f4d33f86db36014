// Everything that can go wrong with an OpenAI-compatible upstream, mapped once to what the caller may do and show.

import type { Clock } from "../../platform/clock.ts";
import { invalidRequest, OptamilError } from "../../platform/errors.ts";
import { toUnavailableFailure } from "../failure.ts";
import type { ProviderFailure } from "../provider.ts";

/** Longest message of an upstream that a client sees, in characters. */
const messageCharactersMax = 500;
/** Longest `param` of an upstream that a client sees, in characters. */
const paramCharactersMax = 200;
/** Longest wait that an upstream may ask for: a day, in milliseconds. */
const retryAfterMsMax = 86_400_000;

/** Statuses that blame the request itself: another deployment would answer the same. */
const requestFaults: ReadonlySet<number> = new Set([400, 404, 413, 422]);

/** undici's codes of waits that ran out. */
const timeoutCodes: ReadonlySet<string> = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "ETIMEDOUT",
]);

/** Takes out of a text what must not leave the house. */
export type Redact = (text: string) => string;

/** A redactor for one provider: its key, its base URL and host, and whatever looks like a key. */
export function createRedact(secrets: { baseUrl: URL; apiKey: string | undefined }): Redact {
  const { baseUrl, apiKey } = secrets;
  const address = baseUrl.href.replace(/[?#].*$/, "").replace(/\/+$/, "");
  return (text) => {
    let safe = text;
    if (apiKey !== undefined && apiKey !== "") safe = safe.replaceAll(apiKey, "[key]");
    return safe
      .replaceAll(address, "[provider]")
      .replaceAll(baseUrl.origin, "[provider]")
      .replaceAll(baseUrl.host, "[provider]")
      .replace(/\bBearer\s+\S+/gi, "[key]")
      .replace(/\b[srp]k-[\w*.-]{3,}/g, "[key]");
  };
}

/** What the upstream's head and body say about a refusal. */
export type Refusal = {
  /** HTTP status of the upstream. */
  readonly status: number;
  /** Its `error` member, if the body was JSON with one. */
  readonly error: unknown;
  /** The body's first characters, for the log. */
  readonly excerpt: string;
  /** Milliseconds that it asks to wait. */
  readonly retryAfterMs: number | undefined;
};

/** A refusal by status: 400, 404, 413 and 422 are the request's own fault, the rest is the deployment's. */
export function toRefusalFailure(refusal: Refusal, redact: Redact): ProviderFailure {
  const { status, error, excerpt, retryAfterMs } = refusal;
  const cause = new Error(`upstream answered ${status}: ${redact(excerpt).slice(0, 500)}`);
  if (requestFaults.has(status)) {
    return {
      ok: false,
      error: toRequestError(error, redact, cause),
      status,
      errorClass: `http_${status}`,
      tryNext: false,
    };
  }
  return toUnavailableFailure(toStatusClass(status), { status, cause, retryAfterMs });
}

/**
 * An `error` that came in a 200 answer or inside a stream.
 *
 * Its integer `code`, or its type `invalid_request_error`, stands for the status that it should have had.
 */
export function toErrorFailure(error: unknown, redact: Redact): ProviderFailure {
  const excerpt = JSON.stringify(error) ?? "";
  const code = readMember(error, "code");
  const isStatus = typeof code === "number" && Number.isInteger(code) && code >= 300 && code < 600;
  const isRequestFault = readMember(error, "type") === "invalid_request_error";
  if (isStatus || isRequestFault) {
    const status = isStatus ? code : 400;
    return toRefusalFailure({ status, error, excerpt, retryAfterMs: undefined }, redact);
  }
  const cause = new Error(`upstream sent an error: ${redact(excerpt).slice(0, 500)}`);
  return toUnavailableFailure("upstream_error", { status: 200, cause });
}

/** The failure that a JSON body with an `error` means; undefined if it holds none. */
export function findErrorFailure(body: unknown, redact: Redact): ProviderFailure | undefined {
  const error = readMember(body, "error");
  return error === undefined || error === null ? undefined : toErrorFailure(error, redact);
}

/** A socket that failed: `connect` before the head of the answer, `cut` after it, `timeout` for waits. */
export function toTransportFailure(thrown: Error, status: number): ProviderFailure {
  const code = readMember(thrown, "code");
  if (typeof code === "string") {
    if (timeoutCodes.has(code)) return toUnavailableFailure("timeout", { status, cause: thrown });
    if (code.startsWith("HPE_") || code === "UND_ERR_HEADERS_OVERFLOW") {
      return toUnavailableFailure("protocol", { status, cause: thrown });
    }
  }
  return toUnavailableFailure(status === 0 ? "connect" : "cut", { status, cause: thrown });
}

/**
 * Whether a connection was closed before the answer's first byte, as happens to one that was kept idle. Of an orderly
 * end undici says what the connection had brought before: a fresh one had nothing to wait for.
 */
export function isClosedUnread(thrown: Error): boolean {
  const code = readMember(thrown, "code");
  if (code === "ECONNRESET" || code === "EPIPE") return true;
  const bytesRead = readMember(readMember(thrown, "socket"), "bytesRead");
  return code === "UND_ERR_SOCKET" && typeof bytesRead === "number" && bytesRead > 0;
}

/** An answer that is not OpenAI's wire format; the reason goes to the log. */
export function toProtocolFailure(reason: string, status = 200): ProviderFailure {
  return toUnavailableFailure("protocol", { status, cause: new Error(reason) });
}

/** A stream that ended before its choices did. */
export function toCutFailure(status = 200): ProviderFailure {
  return toUnavailableFailure("cut", {
    status,
    cause: new Error("upstream closed before the answer's end"),
  });
}

/**
 * Milliseconds that the headers ask to wait, at most a day; undefined if they do not.
 *
 * `retry-after-ms` goes before `retry-after`, which is seconds or an HTTP date (RFC 9110 §10.2.3).
 */
export function readRetryAfterMs(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  clock: Clock,
): number | undefined {
  const milliseconds = toNumber(headers["retry-after-ms"]);
  if (milliseconds !== undefined) return Math.min(milliseconds, retryAfterMsMax);
  const text = headers["retry-after"];
  const seconds = toNumber(text);
  if (seconds !== undefined) return Math.min(seconds * 1000, retryAfterMsMax);
  const date = typeof text === "string" ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(date)) return undefined;
  return Math.min(Math.max(date - clock.wallMs(), 0), retryAfterMsMax);
}

function toRequestError(error: unknown, redact: Redact, cause: Error): OptamilError {
  const message = readMember(error, "message");
  const param = readMember(error, "param");
  const isTooLong = readMember(error, "code") === "context_length_exceeded";
  if (typeof message !== "string" || message === "") {
    return invalidRequest("The provider of the model refused the request.");
  }
  return new OptamilError(
    isTooLong ? "context_length_exceeded" : "invalid_request",
    redact(message).slice(0, messageCharactersMax),
    {
      cause,
      param: typeof param === "string" ? redact(param).slice(0, paramCharactersMax) : undefined,
    },
  );
}

function toStatusClass(status: number): string {
  if (status >= 500) return "http_5xx";
  if (status < 400) return "http_3xx";
  return `http_${status}`;
}

function readMember(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Reflect.get(value, name);
}

function toNumber(text: string | string[] | undefined): number | undefined {
  if (typeof text !== "string" || !/^\d+(\.\d+)?$/.test(text)) return undefined;
  return Number(text);
}
