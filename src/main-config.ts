// Part of the composition root: what the configuration says of models, plans and providers, and how that is exchanged
// while requests run.
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { toCatalogue } from "./catalogue/model-config.ts";
import type { Catalogue, Model } from "./catalogue/models.ts";
import { toPlanOverrides } from "./catalogue/plan-config.ts";
import { createPlans, type Plans } from "./catalogue/plans.ts";
import type { CheckedConfig } from "./cli/command.ts";
import { systemClock } from "./platform/clock.ts";
import { Generations } from "./platform/generations.ts";
import type { Log } from "./platform/log.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
} from "./platform/settings.ts";
import { type FileContents, readFiles, WatchedFiles } from "./platform/watched-files.ts";
import {
  type OpenProviders,
  openProviders,
  type ProviderSurroundings,
  planProviders,
} from "./providers/all.ts";
import { keyFilesOf } from "./providers/provider-key.ts";
import { type Exploration, whole } from "./router/explore.ts";
import { type Network, openNetwork } from "./router/network.ts";
import { Shadow } from "./router/shadow.ts";
import { findBaseline } from "./usage/cost.ts";

/** What one version of the configuration serves with; a request has one of these from its start to its end. */
export type Serving = OpenProviders & {
  readonly catalogue: Catalogue;
  readonly plans: Plans;
  readonly parameterPolicy: Settings["parameterPolicy"];
  readonly network: Network;
  readonly shadow: Shadow | undefined;
  readonly exploration: Exploration | undefined;
  /** Of requests where neither they nor their key nor account say. */
  readonly quality: number | undefined;
  /** Against whose cost savings are counted, where the account names no model. */
  readonly baseline: Model | undefined;
  /** Which version it is, and since when it is in force (ISO 8601). */
  readonly config: { readonly version: string; readonly loadedAt: string };
};

/** The configuration of a running gateway. */
export type Configuration = {
  readonly servings: Generations<Serving>;
  /** The plans of the version in force. */
  readonly plans: Plans;
  /** Whether its catalogue has a model of that name. */
  readonly isModel: (name: string) => boolean;
  /** Follows the files until the returned function is called. */
  watch(): () => void;
  /** Reads the files at once. Mistakes are logged, and change nothing. */
  reload(): Promise<void>;
  close(): Promise<void>;
};

/** A change is in force after two looks at the same content, so within a second and a half. */
const pollMs = 500;

/** What the providers are opened with, whatever the configuration says of them. */
type Fixed = Omit<ProviderSurroundings, "catalogue" | "keyFiles">;

/** Opens what the settings serve with. Throws SettingsError. */
export async function openConfiguration(
  settings: Settings,
  { log, ...fixed }: Omit<Fixed, "onTrouble"> & { readonly log: Log },
): Promise<Configuration> {
  const { environment } = fixed;
  const onTrouble = (message: string) => log.warn({ trouble: message }, "providers");
  const onShadowTrouble = (message: string) => log.warn({ trouble: message }, "router");
  const open = (next: Settings, keyFiles: FileContents, previous?: Serving) =>
    openServing(next, { ...fixed, onTrouble, onShadowTrouble, keyFiles }, previous);
  const keyFiles = await readFiles(keyFilesOf(settings.providers));
  const servings = new Generations(open(settings, keyFiles), {
    // The deadline of every answer that runs.
    patienceMs: settings.limits.answerTimeoutMs,
    retire: (serving, inUse) =>
      serving.close(new Set(inUse.flatMap(({ providers }) => [...providers.values()]))),
  });
  log.info(describe(servings.current), "configuration: in force");
  const files = new WatchedFiles(watchedFiles(settings, keyFiles));

  async function load(contents: FileContents): Promise<void> {
    let watched = contents;
    try {
      const next = loadSettings(environment);
      refuseEmpty(next);
      const nextKeyFiles = await readFiles(keyFilesOf(next.providers));
      watched = new Map([...contents, ...nextKeyFiles]);
      servings.replace(open(next, nextKeyFiles, servings.current));
      watched = watchedFiles(next, nextKeyFiles);
      log.info(describe(servings.current), "configuration: in force");
      for (const notice of servings.current.notices) log.warn({ notice }, "configuration");
      for (const setting of needingRestart(settings, next)) {
        log.warn({ setting }, "configuration: the setting has changed and needs a restart");
      }
    } catch (error) {
      for (const problem of problemsOf(error)) {
        log.error({ problem }, "configuration: not taken, the one before stays in force");
      }
    } finally {
      files.know(watched);
    }
  }

  const look = oneAtATime(async (isAsked) => {
    const contents = await (isAsked ? files.read() : files.poll());
    if (contents !== undefined) await load(contents);
  });
  return {
    servings,
    plans: toLivePlans(servings),
    isModel: (name) => servings.current.catalogue.byName(name) !== undefined,
    watch() {
      if (settings.configFile === undefined) return () => {};
      const timer = setInterval(() => void look(false), pollMs);
      return () => clearInterval(timer);
    },
    reload: () => look(true),
    close: () => servings.close(),
  };
}

/** Work that runs once at a time; what is asked for while it runs is done once more afterwards. */
function oneAtATime(work: (isAsked: boolean) => Promise<void>) {
  let running: Promise<void> | undefined;
  let isWaiting = false;
  const run = async () => {
    do {
      const isAsked = isWaiting;
      isWaiting = false;
      await work(isAsked);
    } while (isWaiting);
    running = undefined;
  };
  return (isAsked: boolean): Promise<void> => {
    isWaiting ||= isAsked;
    running ??= run();
    return running;
  };
}

/** Says of a configuration what a gateway that starts with it would say. Throws SettingsError. */
export async function checkConfiguration(environment: Environment): Promise<CheckedConfig> {
  const settings = loadSettings(environment);
  const keyFiles = await readFiles(keyFilesOf(settings.providers));
  const { catalogue } = readCatalogue(settings);
  openRouter(settings.router, () => {});
  const { notices } = planProviders(settings.providers, { environment, keyFiles }, catalogue);
  return { version: versionOf(settings), notices };
}

function readCatalogue({ models, plans }: Settings) {
  return {
    catalogue: toCatalogue(models),
    plans: createPlans(toPlanOverrides(plans)),
  };
}

type ShadowTrouble = { readonly onShadowTrouble: (message: string) => void };

function openServing(
  settings: Settings,
  fixed: Omit<ProviderSurroundings, "catalogue"> & ShadowTrouble,
  previous: Serving | undefined,
): Serving {
  const { catalogue, plans } = readCatalogue(settings);
  const router = openRouter(settings.router, fixed.onShadowTrouble);
  const opened = openProviders(settings.providers, { ...fixed, catalogue }, previous);
  const served = catalogue.models.filter(({ name }) => opened.deployments.has(name));
  const loadedAt = new Date(systemClock.wallMs()).toISOString();
  const config = { version: versionOf(settings), loadedAt };
  const { parameterPolicy } = settings;
  const baseline = findBaseline(served);
  return { ...opened, ...router, catalogue, plans, parameterPolicy, baseline, config };
}

/** Reads the weights anew with each version, so that a file can be put in another's place. */
function openRouter(
  { quality, weights, shadowWeights, shadowShare, explorationShare }: Settings["router"],
  onTrouble: (message: string) => void,
) {
  const network = openWeights("weights", weights);
  const sharePpm = Math.round(explorationShare * whole);
  const exploration = sharePpm > 0 ? { sharePpm, random: Math.random } : undefined;
  if (shadowWeights === undefined) return { network, quality, exploration, shadow: undefined };
  const shadow = new Shadow({
    network: openWeights("shadowWeights", shadowWeights),
    share: shadowShare,
    random: Math.random,
    defer: setImmediate,
    onTrouble,
  });
  return { network, quality, exploration, shadow };
}

function openWeights(field: string, file: string | undefined): Network {
  try {
    return openNetwork(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError([`router.${field}: ${reason}`]);
  }
}

/** Equal for equal files, so that replicas can be compared; the keys' files are no part of it, lest it tell of them. */
function versionOf({ configFile }: Settings): string {
  if (configFile === undefined) return "default";
  return createHash("sha256").update(configFile.text).digest("hex").slice(0, 12);
}

function toLivePlans(servings: Generations<Serving>): Plans {
  return {
    get all() {
      return servings.current.plans.all;
    },
    byName: (name) => servings.current.plans.byName(name),
  };
}

function watchedFiles({ configFile }: Settings, keyFiles: FileContents): FileContents {
  if (configFile === undefined) return new Map();
  return new Map([[configFile.path, { text: configFile.text }], ...keyFiles]);
}

/** All settings have defaults, so at a start an empty file is a good one; here something is writing it. */
function refuseEmpty({ configFile }: Settings): void {
  if (configFile?.text.trim() === "") throw new SettingsError([`${configFile.path}: is empty`]);
}

function describe({ config, providers }: Serving): object {
  const { version, loadedAt } = config;
  return { config_version: version, loaded_at: loadedAt, providers: [...providers.keys()] };
}

function problemsOf(error: unknown): readonly string[] {
  return error instanceof SettingsError ? error.problems : [String(error)];
}

/** The names of what has changed but is only read at a start. */
function needingRestart(started: Settings, next: Settings): string[] {
  const [before, after] = [toFixedSettings(started), toFixedSettings(next)];
  return Object.keys(after).filter((name) => !isDeepStrictEqual(after[name], before[name]));
}

/** What is only read at a start, by its name in the configuration file. */
function toFixedSettings(settings: Settings): Readonly<Record<string, unknown>> {
  const { configFile: _file, providers: _p, models: _m, plans: _plans, ...others } = settings;
  const { dataDirectory: data, fleet, parameterPolicy: _policy, router: _r, ...fixed } = others;
  const { kafka, clickhouse, redis } = fleet ?? {};
  return { ...fixed, data, kafka, clickhouse, redis };
}
