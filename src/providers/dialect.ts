// The port for APIs that are not OpenAI's: what differs, as pure translation; types only.

import type { EmbedCall } from "./provider.ts";

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What an API does otherwise. Nothing here touches the network. */
export interface Dialect {
  /** Whether the API has a mode for JSON, or models are only told what is wanted. */
  readonly json: "native" | "instructed";
  /** Path behind the base URL. */
  path(upstreamModel: string, isStream: boolean): string;
  /** Headers beside the common ones, names and values in turn. */
  headers(apiKey: string | undefined): readonly string[];
  /** The request in its own words; throws `invalid_request` for what the API cannot be asked. */
  request(request: JsonObject, upstreamModel: string, isStream: boolean): JsonObject;
  /** Members of a request that the API cannot be told of this model: the answer comes without their effect. */
  dropped(request: JsonObject, upstreamModel: string): readonly string[];
  /** An answer as OpenAI's completion object. */
  answer(value: JsonObject): JsonObject;
  /** A translator for one stream. */
  events(): DialectEvents;
  /** How it is asked for embeddings. Default: it has none. */
  readonly embeddings?: EmbeddingsDialect;
}

/** How an API that is not OpenAI's is asked for embeddings. */
export interface EmbeddingsDialect {
  /** Path behind the base URL. */
  path(upstreamModel: string): string;
  /** The request in its own words; throws `invalid_request` for what the API cannot be asked. */
  request(call: EmbedCall): JsonObject;
  /** Members of a request that the API cannot be told. */
  dropped(call: EmbedCall): readonly string[];
  /** An answer as OpenAI's list object. */
  answer(value: JsonObject): JsonObject;
}

/** Translates the events of one stream. */
export interface DialectEvents {
  /** What an event is in OpenAI's words: chunks, an object with `error`, or the end. */
  push(type: string, value: JsonObject): readonly (JsonObject | "done")[];
}
