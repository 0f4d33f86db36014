// A provider that speaks OpenAI's wire format at any base URL.

import { Pool } from "undici";
import { type Clock, systemClock } from "../platform/clock.ts";
import type { Dialect } from "./dialect.ts";
import { createGuardedLookup, type EgressOptions } from "./egress.ts";
import { toAnswer } from "./openai/answer.ts";
import { AnswerCollector, chatBytesMax } from "./openai/answer-body.ts";
import { type ToRequest, toEmbedding } from "./openai/embeddings.ts";
import { Exchange, startExchange, type Timeouts } from "./openai/exchange.ts";
import { createRedact } from "./openai/failure.ts";
import { StreamRelay } from "./openai/relay.ts";
import {
  toHeaders,
  toRequestValue,
  toStaticHeaders,
  toTranslatedBody,
  toUpstreamBody,
} from "./openai/request.ts";
import type { Provider, ProviderAnswer, ProviderCall, ProviderFailure } from "./provider.ts";

/** How an OpenAI-compatible provider is reached, and what addresses its host may lead to. */
export type OpenAiOptions = Omit<EgressOptions, "host"> & {
  /** Up to and including the version, such as `https://api.openai.com/v1`; a query stays behind the path. */
  readonly baseUrl: string;
  /** Sent as a bearer token; undefined: no `authorization` at all, as own servers often want it. */
  readonly apiKey: string | undefined;
  /** "verbatim" passes events on as they come until the first oddity; "normalised" rebuilds each. */
  readonly relay: "verbatim" | "normalised";
  readonly timeouts: Timeouts;
  /** Whether `[DONE]` alone ends a stream: for servers that send no finish_reason. Default false. */
  readonly doneEndsStreams?: boolean | undefined;
  /** Version in `user-agent: optamil/…`. Default "dev": tests have none. */
  readonly version?: string;
  /** What the API does otherwise; default: nothing. Such answers are always rebuilt. */
  readonly dialect?: Dialect | undefined;
  /** Time for `retry-after` dates and for answers without `created`. Default: the machine's. */
  readonly clock?: Clock;
};

/**
 * Opens a provider with its own pool of kept-alive connections.
 *
 * HTTP/1.1 only: a running answer has a connection of its own, and cancelling it closes that. The pool has
 * no bound, because admission bounds the requests. Redirects are failures: a key follows none.
 */
export function openOpenAi(options: OpenAiOptions): Provider {
  const baseUrl = new URL(options.baseUrl);
  const dispatcher = openPool(baseUrl, options);
  const { dialect } = options;
  const bearer = dialect === undefined ? options.apiKey : undefined;
  const staticHeaders = [
    ...toStaticHeaders(bearer, options.version ?? "dev"),
    ...(dialect?.headers(options.apiKey) ?? []),
  ];
  const setting = {
    dispatcher,
    relay: dialect === undefined ? options.relay : ("normalised" as const),
    redact: createRedact({ baseUrl, apiKey: options.apiKey }),
    clock: options.clock ?? systemClock,
    timeouts: options.timeouts,
    doneEndsStreams: dialect === undefined && options.doneEndsStreams === true,
    dialect,
  };
  const pathOf = createPaths(baseUrl);
  const toRequest: ToRequest = (path, call, body, isStream) => ({
    path: pathOf(path),
    method: "POST",
    headers: toHeaders(staticHeaders, call, isStream),
    body,
    bodyTimeout: call.timeouts?.silenceMs ?? null,
  });
  const toChatRequest = (exchange: Exchange, call: ProviderCall, isStream: boolean) => {
    const path = dialect?.path(call.upstreamModel, isStream) ?? "/chat/completions";
    const { bytes, dropped } =
      dialect === undefined
        ? toUpstreamBody(call, isStream)
        : toTranslatedBody(call, isStream, dialect);
    exchange.dropped = dropped;
    return toRequest(path, call, bytes, isStream);
  };
  return {
    name: options.name,
    ...toTraits(dialect),
    complete: (call) => {
      const { promise, resolve } = Promise.withResolvers<ProviderAnswer | ProviderFailure>();
      const collecting = {
        bytesMax: chatBytesMax,
        read: (bytes: Buffer) => toAnswer(bytes, call, setting),
        settle: (result: ProviderAnswer | ProviderFailure) => {
          const { dropped } = exchange;
          resolve(result.ok && dropped.length > 0 ? { ...result, dropped } : result);
        },
      };
      const exchange: Exchange = new Exchange(
        call,
        setting,
        (steer) => new AnswerCollector(steer, collecting),
      );
      startExchange(exchange, () => toChatRequest(exchange, call, false), false);
      return promise;
    },
    stream: (call, receiver) => {
      const exchange = new Exchange(
        call,
        setting,
        (steer) => new StreamRelay(steer, call, setting, receiver),
      );
      startExchange(exchange, () => toChatRequest(exchange, call, true), true);
      return exchange;
    },
    ...toEmbedding(setting, toRequest),
    // Not close(): that would wait for answers that nobody reads any more.
    close: () => dispatcher.destroy(),
  };
}

/** A path of the API under the base URL, whose query stays behind it. */
/** Puts paths under the base URL's; URL works out its parts anew each time. */
function createPaths({ pathname, search }: URL): (path: string) => string {
  const prefix = pathname.replace(/\/+$/, "");
  const furtherQuery = search.replace("?", "&");
  return (path) => `${prefix}${path}${path.includes("?") ? furtherQuery : search}`;
}

function openPool(baseUrl: URL, options: OpenAiOptions): Pool {
  return new Pool(baseUrl.origin, {
    allowH2: false,
    connectTimeout: options.timeouts.connectMs,
    // The exchange has timers of its own until the first token, and for the whole.
    headersTimeout: 0,
    bodyTimeout: options.timeouts.silenceMs,
    connect: { lookup: createGuardedLookup({ ...options, host: baseUrl.hostname }) },
  });
}

/** What a provider can be told, by its dialect. */
function toTraits(dialect: Dialect | undefined): Pick<Provider, "json" | "untold"> {
  if (dialect === undefined) return { json: "native" };
  const untold: Provider["untold"] = (request, upstreamModel) =>
    dialect.dropped(toRequestValue(request, []), upstreamModel);
  return { json: dialect.json, untold };
}
