// Reads the configuration file and the environment into settings without holes.
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { parse as parseYaml } from "yaml";
import {
  type Config,
  ConfigSchema,
  type ModelConfig,
  type PlanConfig,
  type ProviderConfig,
} from "../gen/optamil/config/v1/config_pb.ts";
import { type FleetSettings, readFleet } from "./fleet-settings.ts";
import { jsonCodec } from "./json.ts";
import { readTelemetry, type TelemetrySettings } from "./telemetry-settings.ts";
import { violationsOf } from "./validate.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A configuration file as it was read. */
export type ConfigFile = { readonly path: string; readonly text: string };

/** What may become of request parameters that a model cannot take. */
export type ParameterPolicy = "forward" | "drop" | "reject";

/** The policy of that name; undefined for any other word. */
export function toParameterPolicy(word: string | undefined): ParameterPolicy | undefined {
  return word === "forward" || word === "drop" || word === "reject" ? word : undefined;
}

/** What the process runs with: the file, then the environment over it, then the defaults of config.proto. */
export type Settings = {
  /** The file that they were read from; undefined: there is none. */
  readonly configFile: ConfigFile | undefined;
  readonly host: string;
  readonly port: number;
  readonly dataDirectory: string;
  /** Empty: derived from host and port. */
  readonly publicUrl: string;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly corsOrigins: readonly string[];
  readonly providers: readonly ProviderConfig[];
  readonly models: readonly ModelConfig[];
  readonly plans: readonly PlanConfig[];
  /** What an answer waits for before it ends. */
  readonly durability: "fsync" | "quorum";
  /** Who may open an account without a key: everybody, who is invited, or nobody. */
  readonly signUp: "open" | "invitation" | "closed";
  readonly logLevel: string;
  /** Export of traces and metrics; undefined: there is none. */
  readonly telemetry: TelemetrySettings | undefined;
  /** A port for operators alone; undefined: there is none. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  /** What becomes of request parameters that a model cannot take, unless the key says otherwise. */
  readonly parameterPolicy: ParameterPolicy;
  /** How `auto` decides. */
  readonly router: {
    /** Of requests where neither they nor their key nor account say, 0 to 1; undefined: the router's own default. */
    readonly quality: number | undefined;
    /** File of the weights; undefined: the gateway's own. */
    readonly weights: string | undefined;
    /** File of weights that are asked beside them; undefined: none are. */
    readonly shadowWeights: string | undefined;
    /** Part of the decisions for which they are asked, 0 to 1. */
    readonly shadowShare: number;
    /** Part of the decisions that is spread over other good models, 0 to 0.05. */
    readonly explorationShare: number;
  };
  /** Name of this replica in its events. */
  readonly gatewayId: string;
  /** Number of this process among those that share the port, from 1; undefined: it has the port alone. */
  readonly worker: number | undefined;
  /** File of the signing keys; undefined: the data folder has one. */
  readonly signingKeys: string | undefined;
  /** What the replicas share; undefined: this gateway is alone and everything is embedded. */
  readonly fleet: FleetSettings | undefined;
  readonly limits: {
    readonly bodyBytesMax: number;
    readonly headersTimeoutMs: number;
    readonly requestTimeoutMs: number;
    readonly idleTimeoutMs: number;
    readonly answerTimeoutMs: number;
    readonly connectTimeoutMs: number;
    readonly providerSilenceTimeoutMs: number;
    readonly drainTimeoutMs: number;
    readonly drainDelayMs: number;
    readonly failedAuthPerMinute: number;
  };
};

/** Names the number of a worker to its own process; not for people. */
export const workerVariable = "OPTAMIL_WORKER";

/** A configuration that cannot be used: one line for each mistake, with its path. */
export class SettingsError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "SettingsError";
    this.problems = problems;
  }
}

/** The settings of this environment; throws SettingsError with every mistake that the file and the variables have. */
export function loadSettings(environment: Environment): Settings {
  const path = environment["OPTAMIL_CONFIG"];
  if (!path) return toSettings(create(ConfigSchema), undefined, environment);
  const text = readText(path);
  return toSettings(parseConfig(text, path), { path, text }, environment);
}

/** Parses the text of a configuration file, YAML or JSON (which is YAML). Throws SettingsError. */
export function parseConfig(text: string, name: string): Config {
  let value: unknown;
  try {
    value = parseYaml(text, { maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new SettingsError([`${name}: not valid YAML or JSON: ${reason}`]);
  }
  const { message, problems } = jsonCodec(ConfigSchema).decodeAll(value);
  // A part that could not be read is not there to be checked: its own problem stands for it.
  const broken = violationsOf(ConfigSchema)(message).filter(
    ({ path }) => !problems.some((problem) => path.startsWith(problem.path)),
  );
  const all = [...problems, ...broken];
  if (all.length === 0) return message;
  throw new SettingsError(all.map(({ message }) => `${name}: ${message}`));
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SettingsError([`OPTAMIL_CONFIG: cannot read the file: ${reason}`]);
  }
}

function toSettings(
  config: Config,
  configFile: ConfigFile | undefined,
  environment: Environment,
): Settings {
  const { limits } = config;
  const tls = config.tls;
  const host = environment["HOST"] || config.host || "127.0.0.1";
  const worker = readWorker(environment);
  const { fleet, problems } = readFleet(config, environment);
  if (problems.length > 0) throw new SettingsError(problems);
  return {
    configFile,
    host,
    port: readPort("PORT", environment) ?? config.port ?? 8080,
    dataDirectory: environment["OPTAMIL_DATA"] || config.data || ".optamil",
    publicUrl: config.publicUrl.replace(/\/+$/, ""),
    tls: tls && { certFile: tls.certFile, keyFile: tls.keyFile },
    corsOrigins: config.corsOrigins,
    providers: config.providers,
    models: config.models,
    plans: config.plans,
    parameterPolicy: toParameterPolicy(config.parameterPolicy) ?? "drop",
    router: {
      quality: config.router?.quality,
      weights: config.router?.weights || undefined,
      shadowWeights: config.router?.shadowWeights || undefined,
      shadowShare: config.router?.shadowShare ?? 0.1,
      explorationShare: config.router?.explorationShare ?? 0,
    },
    durability: readDurability(config.durability, fleet),
    gatewayId: readGatewayId(environment["OPTAMIL_GATEWAY_ID"] || config.gatewayId, fleet),
    worker,
    signingKeys: environment["OPTAMIL_SIGNING_KEYS"] || config.signingKeys || undefined,
    fleet,
    signUp: readSignUp(config.signUp, host),
    logLevel: readLogLevel(environment["OPTAMIL_LOG"]) ?? (config.logLevel || "info"),
    // One port for all workers; the first one has it.
    metrics: (worker ?? 1) === 1 ? readOperatorPort(config, environment) : undefined,
    telemetry: readTelemetry(config, environment),
    limits: {
      bodyBytesMax: limits?.bodyBytesMax ?? 32 * 1024 * 1024,
      headersTimeoutMs: limits?.headersTimeoutMs ?? 10_000,
      requestTimeoutMs: limits?.requestTimeoutMs ?? 60_000,
      idleTimeoutMs: limits?.idleTimeoutMs ?? 65_000,
      answerTimeoutMs: limits?.answerTimeoutMs ?? 600_000,
      connectTimeoutMs: limits?.connectTimeoutMs ?? 5_000,
      providerSilenceTimeoutMs: limits?.providerSilenceTimeoutMs ?? 120_000,
      drainTimeoutMs: limits?.drainTimeoutMs ?? 30_000,
      drainDelayMs: limits?.drainDelayMs ?? 0,
      failedAuthPerMinute: limits?.failedAuthPerMinute ?? 600,
    },
  };
}

function readDurability(word: string, fleet: FleetSettings | undefined): "fsync" | "quorum" {
  if (word === "" || word === "fsync") return "fsync";
  if (word === "quorum" && fleet !== undefined) return word;
  const remedy =
    word === "quorum" ? "needs kafka; without it there is" : "is not there yet; there is";
  throw new SettingsError([`durability: '${word}' ${remedy} 'fsync'`]);
}

/** Events are numbered by replica: two of one name would look like one that lost events. */
function readGatewayId(name: string, fleet: FleetSettings | undefined): string {
  if (name !== "") return name;
  if (fleet === undefined) return "gateway-0";
  throw new SettingsError(["gatewayId: name this replica of the fleet, or set OPTAMIL_GATEWAY_ID"]);
}

/** A gateway that strangers can reach opens accounts only where its operator says so. */
function readSignUp(word: string, host: string): Settings["signUp"] {
  if (word === "open" || word === "invitation" || word === "closed") return word;
  return isLoopback(host) ? "open" : "closed";
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function readOperatorPort({ metrics }: Config, environment: Environment): Settings["metrics"] {
  const port = readPort("OPTAMIL_METRICS_PORT", environment) ?? metrics?.port;
  return port === undefined ? undefined : { host: metrics?.host || "127.0.0.1", port };
}

/** Set by the process that starts the workers, for each of them. */
function readWorker(environment: Environment): number | undefined {
  const text = environment[workerVariable];
  return text ? Number(text) : undefined;
}

function readPort(variable: string, environment: Environment): number | undefined {
  const text = environment[variable];
  if (text === undefined || text === "") return undefined;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65535) return port;
  throw new SettingsError([`${variable}: must be a whole number from 0 to 65535, got "${text}"`]);
}

const logLevels = ["debug", "info", "warn", "error", "silent"];

function readLogLevel(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (logLevels.includes(text)) return text;
  throw new SettingsError([`OPTAMIL_LOG: must be one of ${logLevels.join(", ")}, got "${text}"`]);
}
