/** The plans of the configuration file as rows of the catalogue. */
import type { PlanConfig } from "../gen/optamil/config/v1/config_pb.ts";
import { SettingsError } from "../platform/settings.ts";
import { createPlans, type PlanOverride } from "./plans.ts";

/** The overrides that the configuration asks for. Throws SettingsError for each new plan that lacks a limit. */
export function toPlanOverrides(configs: readonly PlanConfig[]): PlanOverride[] {
  const known = new Set(createPlans().all.map(({ name }) => name));
  const problems: string[] = [];
  const overrides = configs.map((config, at) => {
    const override = toOverride(config);
    if (!known.has(override.name)) problems.push(...missingLimits(override, `plans[${at}]`));
    known.add(override.name);
    return override;
  });
  if (problems.length > 0) throw new SettingsError(problems);
  return overrides;
}

/** Only what the configuration says: everything else is the catalogue's. */
function toOverride(config: PlanConfig): PlanOverride {
  const { name, creditsPerMonthMicro, requestsPerMinute, requestsPerDay, tokensPerMinute } = config;
  return {
    name,
    ...(creditsPerMonthMicro !== undefined && { creditsPerMonthMicro }),
    ...(requestsPerMinute !== undefined && { requestsPerMinute }),
    ...(requestsPerDay !== undefined && { requestsPerDay }),
    ...(tokensPerMinute !== undefined && { tokensPerMinute }),
  };
}

function missingLimits(override: PlanOverride, path: string): string[] {
  const limits = ["requestsPerMinute", "requestsPerDay", "tokensPerMinute"] as const;
  return limits
    .filter((limit) => override[limit] === undefined)
    .map(
      (limit) => `${path}.${limit}: is missing; a plan that the catalogue does not have needs it`,
    );
}
