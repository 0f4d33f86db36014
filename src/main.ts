#!/usr/bin/env node
// The composition root: settings in, rooms opened, port listened on, everything closed again.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { createCatalogue, type ModelOverride } from "./catalogue/models.ts";
import { tierNames } from "./catalogue/tiers.ts";
import type { ChatParts } from "./chat/answer.ts";
import type { CommandContext, KeyOperations, ServingGateway } from "./cli/command.ts";
import { openRemoteKeys } from "./cli/remote-keys.ts";
import { runCommand } from "./cli/run.ts";
import { openLmdbDirectory } from "./directory/lmdb.ts";
import { createDoor } from "./gateway/door.ts";
import type { MethodEntry } from "./gateway/exchange.ts";
import { createHealth } from "./gateway/health.ts";
import { type DoorHandler, type Listener, listen } from "./gateway/listen.ts";
import { createOpenApi } from "./gateway/openapi.ts";
import { createPages } from "./gateway/pages.ts";
import { createReflection } from "./gateway/reflection.ts";
import { createRestDoor } from "./gateway/rest.ts";
import { chatMethods } from "./gateway/rpc/chat.ts";
import { keyMethods } from "./gateway/rpc/keys.ts";
import { modelMethods } from "./gateway/rpc/models.ts";
import { createRpcDoor } from "./gateway/rpc-door.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { ModelConfig } from "./gen/optamil/config/v1/config_pb.ts";
import { ChatService } from "./gen/optamil/v1/chat_pb.ts";
import { KeyService } from "./gen/optamil/v1/keys_pb.ts";
import { ModelService } from "./gen/optamil/v1/models_pb.ts";
import { bootstrap } from "./keys/bootstrap.ts";
import { createIssuer } from "./keys/issue.ts";
import { createKeyManager } from "./keys/manage.ts";
import { scopes } from "./keys/scopes.ts";
import { openSigningKeys } from "./keys/signing-keys.ts";
import { createVerifier } from "./keys/verify.ts";
import { systemClock } from "./platform/clock.ts";
import type { OptamilError } from "./platform/errors.ts";
import { type Log, openLog } from "./platform/log.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
} from "./platform/settings.ts";
import { createUuidSource } from "./platform/uuid.ts";
import { openProviders } from "./providers/all.ts";

const version = "0.1.0";

/** Services of the protocol itself, open to everybody. */
const protocolServices: readonly DescService[] = [Health, ServerReflection, ServerReflectionAlpha];

/** The services that this gateway serves, over REST and RPC. */
const servedServices: readonly DescService[] = [ChatService, ModelService, KeyService];

/** A provider that is silent for this long gets its client a ping: proxies cut at 60 s, and 15 is what clients bear. */
const pingAfterMs = 15_000;

/** A gateway that serves until it is closed. */
export type Gateway = {
  readonly serving: ServingGateway;
  close(): Promise<void>;
};

/** Opens every room and the port. What was opened is closed again when something fails. */
export async function openGateway(settings: Settings, environment: Environment): Promise<Gateway> {
  const resources = new AsyncDisposableStack();
  try {
    return await compose(settings, environment, resources);
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}

async function compose(
  settings: Settings,
  environment: Environment,
  resources: AsyncDisposableStack,
): Promise<Gateway> {
  const clock = systemClock;
  const log = openLog(settings.logLevel);
  resources.defer(() => log.close());
  await refuseSecondGateway(settings.dataDirectory);
  const catalogue = createCatalogue(toOverrides(settings.models));
  const providers = openProviders(settings.providers, {
    environment,
    catalogue,
    clock,
    version,
    connectTimeoutMs: settings.limits.connectTimeoutMs,
    silenceTimeoutMs: settings.limits.providerSilenceTimeoutMs,
  });
  resources.defer(() => providers.close());
  const accounts = await openAccounts(settings.dataDirectory);
  resources.defer(() => accounts.close());
  const first = await accounts.bootstrap();

  const chat: ChatParts = {
    ...providers,
    catalogue,
    clock,
    random: Math.random,
    pingAfterMs,
  };
  const entries = [
    ...chatMethods(chat),
    ...modelMethods({ catalogue, deployments: providers.deployments }),
    ...keyMethods(accounts.manager),
  ];
  const state = { publicUrl: "", stopping: new AbortController() };
  const door = createDoors(entries, settings, accounts, log, state);
  const listener = await listen(door, {
    host: settings.host,
    port: settings.port,
    ...(settings.tls && { tls: await readTls(settings.tls) }),
    headersTimeoutMs: settings.limits.headersTimeoutMs,
    requestTimeoutMs: settings.limits.requestTimeoutMs,
    idleTimeoutMs: settings.limits.idleTimeoutMs,
  });
  resources.defer(() => listener.close({ drainMs: settings.limits.drainTimeoutMs }));
  state.publicUrl = settings.publicUrl || listener.url;
  await announce(settings.dataDirectory, listener);
  resources.defer(() => rm(servingFile(settings.dataDirectory), { force: true }));
  return {
    serving: {
      publicUrl: state.publicUrl,
      firstKey: first.created ? first.firstKey : undefined,
      firstKeyFile: firstKeyFile(settings.dataDirectory),
      providers: [...providers.providers.keys()],
      notices: providers.notices,
    },
    async close() {
      state.stopping.abort();
      await resources.disposeAsync();
    },
  };
}

type State = { publicUrl: string; readonly stopping: AbortController };

/** The doors in front of the methods: REST and RPC behind one handler. */
function createDoors(
  entries: readonly MethodEntry[],
  settings: Settings,
  accounts: Accounts,
  log: Log,
  state: State,
): DoorHandler {
  const services = servedServices;
  const stopping = state.stopping.signal;
  const ready = () => !stopping.aborted;
  const onChange = (listener: () => void) => {
    stopping.addEventListener("abort", listener);
    return () => stopping.removeEventListener("abort", listener);
  };
  const common = {
    entries,
    verify: accounts.verify,
    clock: systemClock,
    bodyBytesMax: settings.limits.bodyBytesMax,
    answerTimeoutMs: settings.limits.answerTimeoutMs,
    onError: (error: OptamilError, requestId: string) =>
      log.error({ request_id: requestId, cause: describeCause(error) }, "internal error"),
  };
  const uuids = createUuidSource(systemClock);
  return createDoor({
    rest: createRestDoor({
      ...common,
      pages: createPages({
        ready,
        openApi: createOpenApi(services, { serverUrl: settings.publicUrl || "/", version }),
        jwks: accounts.jwks,
        publicUrl: () => state.publicUrl,
      }),
    }),
    rpc: createRpcDoor({
      ...common,
      register: [
        createHealth({ services, readiness: { ready, onChange }, stopping }),
        createReflection([...services, Health]),
      ],
    }),
    rpcServices: [...services, ...protocolServices].map(({ typeName }) => typeName),
    corsOrigins: settings.corsOrigins,
    clock: systemClock,
    log,
    createRequestId: () => uuids.text(),
  });
}

function describeCause({ cause }: OptamilError): string | undefined {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

type Accounts = Awaited<ReturnType<typeof openAccounts>>;

/** Accounts and keys of a data folder, for a gateway or for the command line. */
async function openAccounts(dataDirectory: string) {
  const clock = systemClock;
  const uuids = createUuidSource(clock);
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const signingKeys = await openSigningKeys(join(dataDirectory, "signing-keys"));
  const directory = openLmdbDirectory({ path: join(dataDirectory, "directory"), clock });
  const issuer = createIssuer({ signingKeys, clock, uuids });
  const verifier = createVerifier({ jwks: signingKeys, registry: directory, clock });
  return {
    directory,
    manager: createKeyManager(directory, issuer),
    verify: (credential: string) => verifier.verify(credential),
    jwks: () => signingKeys.jwks(),
    bootstrap: () =>
      bootstrap({
        path: firstKeyFile(dataDirectory),
        store: directory,
        issuer,
        jwks: signingKeys,
        uuids,
      }),
    close: () => directory.close(),
  };
}

function toOverrides(models: readonly ModelConfig[]): ModelOverride[] {
  const builtIn = createCatalogue();
  const problems: string[] = [];
  const overrides = models.map((model, at) => {
    const path = `models[${at}]`;
    if (model.name === builtIn.autoModel.name) problems.push(`${path}.name: 'auto' is the router`);
    else if (model.tier === "" && builtIn.byName(model.name) === undefined) {
      problems.push(`${path}.tier: is missing; a model that the catalogue does not have needs it`);
    }
    return toOverride(model);
  });
  if (problems.length > 0) throw new SettingsError(problems);
  return overrides;
}

/** Only what the configuration says: everything else is the catalogue's, or its default. */
function toOverride(model: ModelConfig): ModelOverride {
  const { contextTokens, maxOutputTokens, tools, vision, jsonMode } = model;
  const tier = tierNames.find((name) => name === model.tier);
  return {
    name: model.name,
    ...(tier !== undefined && { tier }),
    ...(model.provider !== "" && { provider: model.provider }),
    ...(model.ownedBy !== "" && { ownedBy: model.ownedBy }),
    ...(contextTokens !== undefined && { contextTokens }),
    ...(maxOutputTokens !== undefined && { maxOutputTokens }),
    capabilities: {
      ...(tools !== undefined && { tools }),
      ...(vision !== undefined && { vision }),
      ...(jsonMode !== undefined && { jsonMode }),
    },
  };
}

const firstKeyFile = (dataDirectory: string) => join(dataDirectory, "first-key");
const servingFile = (dataDirectory: string) => join(dataDirectory, "serving.json");

async function readTls(tls: { certFile: string; keyFile: string }) {
  return { cert: await readFile(tls.certFile), key: await readFile(tls.keyFile) };
}

/** Says where the gateway of this data folder listens, for the command line. */
async function announce(dataDirectory: string, { url }: Listener): Promise<void> {
  await writeFile(servingFile(dataDirectory), `${JSON.stringify({ pid: process.pid, url })}\n`);
}

/** The base URL of the gateway that serves a data folder; undefined if none does. */
async function findServing(dataDirectory: string): Promise<string | undefined> {
  const text = await readFile(servingFile(dataDirectory), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { pid, url }: { pid: number; url: string } = JSON.parse(text);
  try {
    process.kill(pid, 0);
    return url;
  } catch {
    // Nobody has that process id any more: the file was left by a gateway that was killed.
    return undefined;
  }
}

async function refuseSecondGateway(dataDirectory: string): Promise<void> {
  const url = await findServing(dataDirectory);
  if (url === undefined) return;
  throw new SettingsError([
    `OPTAMIL_DATA: the gateway at ${url} already serves ${dataDirectory}; stop it or name another folder`,
  ]);
}

/** The key operations of the gateway that runs, or of its data folder if none does. */
async function openKeys(environment: Environment): Promise<KeyOperations> {
  const { dataDirectory } = loadSettings(environment);
  const url = await findServing(dataDirectory);
  if (url === undefined) return openLocalKeys(dataDirectory);
  const key =
    environment["OPTAMIL_API_KEY"] ?? (await readFile(firstKeyFile(dataDirectory), "utf8"));
  return openRemoteKeys(url, key.trim());
}

async function openLocalKeys(dataDirectory: string): Promise<KeyOperations> {
  const accounts = await openAccounts(dataDirectory);
  await accounts.bootstrap();
  const [account] = accounts.directory.accounts({ limit: 1 }).accounts;
  if (account === undefined) throw new Error("the first account is missing");
  const actor = { accountId: account.id, name: "cli", scopes };
  return {
    create: (request) => accounts.manager.create(request, actor),
    list: async () => accounts.manager.list(actor),
    revoke: (keyId, reason) => accounts.manager.revoke(keyId, reason, actor),
    close: () => accounts.close(),
  };
}

/** Serves until SIGTERM or SIGINT; a second signal ends the process at once. */
async function serve(
  environment: Environment,
  onReady: (gateway: ServingGateway) => void,
): Promise<void> {
  // Listened for first: whoever reads the ready line may send the signal at once.
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  const gateway = await openGateway(loadSettings(environment), environment);
  onReady(gateway.serving);
  await stopped;
  await gateway.close();
}

if (import.meta.main) {
  const context: CommandContext = {
    environment: process.env,
    print: (line) => process.stdout.write(`${line}\n`),
    warn: (line) => process.stderr.write(`${line}\n`),
    serve: (onReady) => serve(process.env, onReady),
    openKeys: () => openKeys(process.env),
    openApi: () => createOpenApi(servedServices, { serverUrl: "/", version }),
  };
  process.exitCode = await runCommand(process.argv.slice(2), context);
}
