// Opens every provider: one row for each kind that has an adapter.

import type { Catalogue } from "../catalogue/models.ts";
import type { ProviderConfig } from "../gen/optamil/config/v1/config_pb.ts";
import type { Clock } from "../platform/clock.ts";
import { type Environment, SettingsError } from "../platform/settings.ts";
import { anthropic } from "./anthropic.ts";
import { openDemo } from "./demo.ts";
import type { Deployment } from "./deployment.ts";
import { gemini } from "./gemini.ts";
import { openOpenAi } from "./openai.ts";
import { type ProviderPlan, toPlan } from "./plan.ts";
import type { Provider } from "./provider.ts";

/** What the providers need of the process. */
export type ProviderSurroundings = {
  /** Environment variables: the keys are in them. */
  readonly environment: Environment;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  /** Version of Optamil, for `user-agent`. */
  readonly version: string;
  /** A connection must stand after this, milliseconds. */
  readonly connectTimeoutMs: number;
  /** A provider may be silent for this long, milliseconds. */
  readonly silenceTimeoutMs: number;
};

/** The open providers. */
export type OpenProviders = {
  readonly providers: ReadonlyMap<string, Provider>;
  /** By catalogue name of the model; a model without one is not configured. */
  readonly deployments: ReadonlyMap<string, readonly Deployment[]>;
  /** What the operator should know, a line each. */
  readonly notices: readonly string[];
  /** Closes all pooled connections. */
  close(): Promise<void>;
};

/** The adapters by kind. */
const adapters: Readonly<
  Record<ProviderPlan["kind"], (plan: ProviderPlan, surroundings: ProviderSurroundings) => Provider>
> = {
  openai: (plan, surroundings) => openOpenAi({ ...surroundings, ...plan }),
  anthropic: (plan, surroundings) => openOpenAi({ ...surroundings, ...plan, dialect: anthropic }),
  gemini: (plan, surroundings) => openOpenAi({ ...surroundings, ...plan, dialect: gemini }),
  demo: ({ name }, { clock }) => openDemo({ name, clock }),
};

/**
 * Opens the configured providers; without any, those presets whose key is in the environment; without any
 * of these, the demo provider in place of every model.
 *
 * Throws SettingsError with the path of every mistake in the configuration; nothing is open then.
 */
export function openProviders(
  configs: readonly ProviderConfig[],
  surroundings: ProviderSurroundings,
): OpenProviders {
  const { environment, catalogue } = surroundings;
  const plan = toPlan(configs, environment, catalogue);
  if (plan.problems.length > 0) throw new SettingsError(plan.problems);
  const providers = new Map<string, Provider>();
  for (const row of plan.providers) {
    providers.set(row.name, adapters[row.kind](row, surroundings));
  }
  const deployments = plan.providers.flatMap((row) => row.deployments);
  return {
    providers,
    deployments: Map.groupBy(deployments, ({ model }) => model),
    notices: plan.notices,
    close: async () => {
      await Promise.all([...providers.values()].map((provider) => provider.close()));
    },
  };
}
