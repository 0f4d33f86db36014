// Opens every provider: one row for each kind that has an adapter.

import type { Catalogue } from "../catalogue/models.ts";
import type { ProviderConfig } from "../gen/optamil/config/v1/config_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { SettingsError } from "../platform/settings.ts";
import { anthropic } from "./anthropic.ts";
import { openDemo } from "./demo.ts";
import type { Deployment } from "./deployment.ts";
import { gemini } from "./gemini.ts";
import { openOpenAi } from "./openai.ts";
import { type Plan, type ProviderPlan, toPlan } from "./plan.ts";
import type { Provider } from "./provider.ts";
import type { KeySources } from "./provider-key.ts";

/** What the providers need of the process. */
export type ProviderSurroundings = KeySources & {
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  /** Version of Optamil, for `user-agent`. */
  readonly version: string;
  /** A connection must stand after this, milliseconds. */
  readonly connectTimeoutMs: number;
  /** A provider may be silent for this long before the first token and between two reads, milliseconds. */
  readonly silenceTimeoutMs: number;
  /** Told what the operator should know of a provider's host. */
  readonly onTrouble: (message: string) => void;
};

/** The open providers. */
export type OpenProviders = {
  readonly providers: ReadonlyMap<string, Provider>;
  /** By catalogue name of the model; a model without one is not configured. */
  readonly deployments: ReadonlyMap<string, readonly Deployment[]>;
  /** The same of embedding models. */
  readonly embeddings: ReadonlyMap<string, readonly Deployment[]>;
  /** What the operator should know, a line each. */
  readonly notices: readonly string[];
  /** How each is reached, in one line that holds its key too. */
  readonly reached: ReadonlyMap<Provider, string>;
  /** Closes all pooled connections, except those of the providers that are named. */
  close(but?: ReadonlySet<Provider>): Promise<void>;
};

/** The adapters by kind. */
const adapters: Readonly<
  Record<ProviderPlan["kind"], (plan: ProviderPlan, surroundings: ProviderSurroundings) => Provider>
> = {
  openai: (plan, surroundings) => openOpenAi(toOptions(plan, surroundings)),
  anthropic: (plan, surroundings) =>
    openOpenAi({ ...toOptions(plan, surroundings), dialect: anthropic }),
  gemini: (plan, surroundings) => openOpenAi({ ...toOptions(plan, surroundings), dialect: gemini }),
  demo: ({ name }, { clock }) => openDemo({ name, clock }),
};

/** A provider's own time-outs, and the gateway's where it has none. */
function toOptions(plan: ProviderPlan, surroundings: ProviderSurroundings) {
  const { connectMs, firstTokenMs, silenceMs, totalMs } = plan.timeouts ?? {};
  const { connectTimeoutMs, silenceTimeoutMs } = surroundings;
  return {
    ...surroundings,
    ...plan,
    timeouts: {
      connectMs: connectMs ?? connectTimeoutMs,
      firstTokenMs: firstTokenMs ?? silenceTimeoutMs,
      silenceMs: silenceMs ?? silenceTimeoutMs,
      totalMs,
    },
  };
}

/** The providers that the configuration asks for; throws SettingsError with the path of every mistake in it. */
export function planProviders(
  configs: readonly ProviderConfig[],
  sources: KeySources,
  catalogue: Catalogue,
): Plan {
  const plan = toPlan(configs, sources, catalogue);
  if (plan.problems.length > 0) throw new SettingsError(plan.problems);
  return plan;
}

/**
 * Opens the configured providers; without any, those presets whose key is in the environment; without any
 * of these, the demo provider in place of every model. Those of `previous` that are reached just the same stay
 * as they are, with their connections.
 *
 * Throws as `planProviders` does; nothing is open then.
 */
export function openProviders(
  configs: readonly ProviderConfig[],
  surroundings: ProviderSurroundings,
  previous?: OpenProviders,
): OpenProviders {
  const plan = planProviders(configs, surroundings, surroundings.catalogue);
  const providers = new Map<string, Provider>();
  const reached = new Map<Provider, string>();
  for (const row of plan.providers) {
    const { deployments: _, embeddings: _embeddings, ...connection } = row;
    const how = JSON.stringify(connection);
    const before = previous?.providers.get(row.name);
    const isSame = before !== undefined && previous?.reached.get(before) === how;
    const provider = isSame ? before : adapters[row.kind](row, surroundings);
    providers.set(row.name, provider);
    reached.set(provider, how);
  }
  const deployments = plan.providers.flatMap((row) => row.deployments);
  const embeddings = plan.providers.flatMap((row) => row.embeddings);
  return {
    providers,
    reached,
    deployments: Map.groupBy(deployments, ({ model }) => model),
    embeddings: Map.groupBy(embeddings, ({ model }) => model),
    notices: plan.notices,
    close: async (but = new Set()) => {
      const closing = [...reached.keys()].filter((provider) => !but.has(provider));
      await Promise.all(closing.map((provider) => provider.close()));
    },
  };
}
