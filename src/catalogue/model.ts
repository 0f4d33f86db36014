/** What the catalogue knows of one model. */

import type { TierName } from "./tiers.ts";

/** What a request to the model may ask for. */
export interface Capabilities {
  /** Function calling. */
  readonly tools: boolean;
  /** Image parts in the messages. */
  readonly vision: boolean;
  /** `response_format: json_object`: by a mode of the API or, where it has none, a forced tool. */
  readonly jsonMode: boolean;
  /** `response_format: json_schema`, held to by the provider. */
  readonly jsonSchema: boolean;
  /** Thinks before it answers, always or when asked. */
  readonly reasoning: boolean;
}

/**
 * The provider's list price, where the price stands and when it was read there.
 * Prices are integers: 1 nano-US$ per token is US$ 0.001 per 1M tokens (US$ 0.075 per 1M is 75).
 */
export interface ModelCost {
  readonly inputNanoUsdPerToken: number;
  readonly outputNanoUsdPerToken: number;
  /** Input tokens read from the provider's prompt cache; absent where no whole number is listed. */
  readonly cachedInputNanoUsdPerToken?: number;
  /** Where the price stands: for a built-in row the name of a public page. */
  readonly source: string;
  /** The day it was read there, YYYY-MM-DD; absent where nobody read it, but the tier implies it. */
  readonly asOf?: string;
}

/** What the catalogue knows of any model, whatever it is for. */
export interface CatalogueModel {
  /** Optamil's id of the model; may contain ":" and "/". */
  readonly name: string;
  readonly tier: TierName;
  /** The provider preset that serves it; absent where only the configuration says who does. */
  readonly provider?: string;
  /** What that provider calls it. */
  readonly upstreamName: string;
  /** Who made it, as `/v1/models` shows it. */
  readonly ownedBy: string;
  /** Unix seconds of the release day's first moment (UTC); absent where it is not known. */
  readonly createdAt?: number;
  /** The most tokens of prompt and answer together; of an embedding model those of one input. */
  readonly contextTokens: number;
  readonly cost: ModelCost;
  /** Request parameters that it cannot take. Default: none that are known. */
  readonly unsupportedParameters?: readonly string[];
}

/** One chat model of the catalogue. Every built-in row has all of its fields, but not each a cached price. */
export interface Model extends CatalogueModel {
  /** The most tokens of one answer; never above `contextTokens`. */
  readonly maxOutputTokens: number;
  readonly capabilities: Capabilities;
  /** More that it cannot take while it reasons. Default: none that are known. */
  readonly whileReasoning?: {
    readonly unsupportedParameters: readonly string[];
    /** Whether it reasons where a request says no `reasoning_effort`; with "none" it never does. */
    readonly isDefault: boolean;
  };
  /** Request parameters that it takes under another name, and that name. Default: none that are known. */
  readonly renamedParameters?: Readonly<Record<string, string>>;
}

/** One embedding model of the catalogue. */
export interface EmbeddingModel extends CatalogueModel {
  /** Numbers of a vector where a request asks for no other length. */
  readonly dimensions: number;
  /** The most inputs that one request may have. */
  readonly inputsMax: number;
}
