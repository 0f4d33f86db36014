// Part of the composition root: accounts and keys of a data folder, for a gateway and for the command line.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { periodAt } from "./admission/period.ts";
import { toCatalogue } from "./catalogue/model-config.ts";
import { toPlanOverrides } from "./catalogue/plan-config.ts";
import { createPlans, freePlanName, type Plans } from "./catalogue/plans.ts";
import type { AccountOperations, KeyOperations, MeteringOperations } from "./cli/command.ts";
import { openLocalAccounts } from "./cli/local-accounts.ts";
import { openRemoteAccounts } from "./cli/remote-accounts.ts";
import { openRemoteKeys } from "./cli/remote-keys.ts";
import { openRemoteMetering } from "./cli/remote-metering.ts";
import { createBudgetManager, findSpending } from "./directory/budgets.ts";
import type { Directory } from "./directory/directory.ts";
import { openLmdbDirectory } from "./directory/lmdb.ts";
import { type AccountManager, createAccountManager, findPlan } from "./directory/manage.ts";
import { createPasswordRoom } from "./directory/password.ts";
import { createSignIn } from "./directory/sign-in.ts";
import { createSignUp } from "./directory/sign-up.ts";
import type { Listener } from "./gateway/listen.ts";
import { bootstrap } from "./keys/bootstrap.ts";
import { createInvitations } from "./keys/invitation.ts";
import { createIssuer, type Issuer } from "./keys/issue.ts";
import { createKeyManager, type KeyManager } from "./keys/manage.ts";
import type { KeyRegistry } from "./keys/registry.ts";
import {
  followSigningKeys,
  type RotationStep,
  rotateSigningKeys,
} from "./keys/rotate-signing-keys.ts";
import { ownerScopes, scopes } from "./keys/scopes.ts";
import type { SigningKeys } from "./keys/signing-keys.ts";
import { type Caller, checkStillWorks, createVerifier } from "./keys/verify.ts";
import { Attempts } from "./platform/attempts.ts";
import { systemClock } from "./platform/clock.ts";
import { judgeSchema } from "./platform/schema.ts";
import {
  type Environment,
  loadSettings,
  type Settings,
  SettingsError,
} from "./platform/settings.ts";
import { createUuidSource } from "./platform/uuid.ts";
import { readStateVersion, stateVersion } from "./usage/lmdb-state-version.ts";

/** Accounts and keys that are open. */
export type Accounts = Awaited<ReturnType<typeof openAccounts>>;

/** A directory, and how the verifier asks it: not at all while it is too old. */
export type OpenedDirectory = {
  readonly directory: Directory;
  readonly registry: KeyRegistry;
  /** How long a change by another replica may take to arrive, milliseconds. Default 0: there is no other one. */
  readonly lagMs?: number;
  /** Resolves when it has what others had changed before the call, or after a second. Default: there are no others. */
  readonly catchUp?: () => Promise<void>;
  /** Whether changes by others do not arrive at the moment. Default: there are no others. */
  readonly isAway?: () => boolean;
};

/** Where accounts and keys are kept, and what signs keys. */
export type AccountsHome = {
  readonly dataDirectory: string;
  /** File of the signing keys; undefined: the data folder has one. */
  readonly signingKeys: string | undefined;
  /** Whether the file is made where it is missing. Default true. */
  readonly createSigningKeys?: boolean | undefined;
  /** Told that the file of the signing keys cannot be followed; what was read stays. Default: nobody is. */
  readonly onTrouble?: ((message: string) => void) | undefined;
  /** Opens the directory in a folder. Default: this machine's own, in LMDB. */
  readonly openDirectory?: ((path: string) => Promise<OpenedDirectory>) | undefined;
  /** Id of the first account. Default: a fresh one. */
  readonly firstAccountId?: string | undefined;
};

/** What accounts can be put on. */
export type KnownNames = {
  readonly plans: Plans;
  /** Whether the catalogue has a model of that name. */
  readonly isModel: (name: string) => boolean;
};

/** What the settings know of plans and models. */
export function knownNames({ plans, models }: Pick<Settings, "plans" | "models">): KnownNames {
  const catalogue = toCatalogue(models);
  return {
    plans: createPlans(toPlanOverrides(plans)),
    isModel: (name) => catalogue.byName(name) !== undefined,
  };
}

/** Accounts and keys, for a gateway or for the command line. */
export async function openAccounts(home: AccountsHome, { plans, isModel }: KnownNames) {
  const clock = systemClock;
  const uuids = createUuidSource(clock);
  const { dataDirectory, openDirectory } = home;
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  const create = home.createSigningKeys ?? true;
  const signingKeys = await followSigningKeys(signingKeysFile(home), { create });
  const path = join(dataDirectory, "directory");
  const { directory, registry, lagMs, catchUp, isAway } =
    (await openDirectory?.(path)) ?? openAlone(path);
  const issuer = createIssuer({ signingKeys, clock, uuids });
  const verifier = createVerifier({ jwks: signingKeys, registry, clock, registryLagMs: lagMs });
  const following = setInterval(() => {
    signingKeys.reload().catch((error: unknown) => home.onTrouble?.(String(error)));
  }, followEveryMs);
  const manager = createKeyManager({ store: directory, issuer, clock });
  const accounts = createAccountManager({
    store: directory,
    plans,
    isModel,
    issueKey: (request) => issuer.issueKey({ ...request, scopes: ownerScopes }),
    uuids,
    currentPeriodId: () => periodAt(clock.wallMs()).id,
  });
  return {
    directory,
    others: catchUp && {
      catchUp,
      check: (caller: Caller) => checkStillWorks(caller, { registry, clock }),
    },
    isAway,
    manager,
    accounts,
    budgets: createBudgetManager(directory),
    isLimited: (caller: Caller) => {
      const { budgets } = findSpending(directory, caller, undefined);
      return caller.limits !== undefined || budgets !== undefined;
    },
    ...createEntrance({ directory, accounts, manager, issuer, plans, signingKeys }),
    verify: verifier.verify,
    jwks: () => signingKeys.jwks(),
    bootstrap: () =>
      bootstrap({
        path: firstKeyFile(dataDirectory),
        store: directory,
        issuer,
        jwks: signingKeys,
        uuids,
        accountId: home.firstAccountId,
      }),
    close: () => {
      clearInterval(following);
      return directory.close();
    },
  };
}

type EntranceParts = {
  readonly directory: Directory;
  readonly accounts: AccountManager;
  readonly manager: KeyManager;
  readonly issuer: Issuer;
  readonly plans: Plans;
  readonly signingKeys: SigningKeys;
};

/** What people do without a key: sign up, sign in, sign out, with or without an invitation. */
function createEntrance(parts: EntranceParts) {
  const { directory, accounts, manager, issuer, plans, signingKeys } = parts;
  const clock = systemClock;
  const invitations = createInvitations(signingKeys, clock);
  const passwords = createPasswordRoom();
  const signUpsOf = new Attempts({ perMinuteMax: signUpsPerMinute, clock });
  return {
    signUp: (mode: Settings["signUp"]) =>
      createSignUp({
        accounts,
        mode,
        passwords,
        attempts: signUpsOf,
        readInvitation: (text) => invitations.read(text),
      }),
    signIn: createSignIn({
      store: directory,
      issueSession: (request) =>
        issuer.issueKey({ ...request, name: "session", scopes: ownerScopes, session: true }),
      passwords,
      clock,
      wrongByAddress: new Attempts({ perMinuteMax: wrongPasswordsPerMinute, clock }),
      wrongByAccount: new Attempts({ perMinuteMax: wrongPasswordsPerMinute, clock }),
    }),
    async endSession(sessionId: string, accountId: string): Promise<void> {
      await manager.revoke(sessionId, "unused", { accountId, name: sessionId, scopes: [] });
    },
    async invite(email: string, wanted: string, days = invitationDaysDefault) {
      const plan = findPlan(plans, wanted || freePlanName).name;
      const expiresAt = Math.floor(clock.wallMs() / 1_000) + days * secondsPerDay;
      return { invitation: await invitations.issue({ email, plan, expiresAt }), expiresAt };
    },
  };
}

const signUpsPerMinute = 60;
const wrongPasswordsPerMinute = 10;
/** Time enough to read one's mail after a short absence. */
const invitationDaysDefault = 7;
const secondsPerDay = 86_400;

/** This machine's own directory, which is always up to date. */
function openAlone(path: string): OpenedDirectory {
  const directory = openLmdbDirectory({ path, clock: systemClock });
  return { directory, registry: directory };
}

/** How soon a rotation of signing keys is seen. */
const followEveryMs = 1_000;

/** The file of the signing keys. */
export function signingKeysFile({ signingKeys, dataDirectory }: AccountsHome | Settings): string {
  return signingKeys ?? join(dataDirectory, "signing-keys");
}

/** A step of the rotation of an environment's signing keys; gives the kid that is staged or signs now. */
export function rotateSigningKeysOf(environment: Environment, step: RotationStep): Promise<string> {
  return rotateSigningKeys(signingKeysFile(loadSettings(environment)), step);
}

/** The file that keeps the first key. */
export const firstKeyFile = (dataDirectory: string) => join(dataDirectory, "first-key");
/** The file that says where a gateway listens. */
const servingFile = (dataDirectory: string) => join(dataDirectory, "serving.json");

/** Says where the gateway of this data folder listens, for the command line, until the resources are disposed of. */
export async function announce(
  dataDirectory: string,
  { url }: Pick<Listener, "url">,
  resources: AsyncDisposableStack,
): Promise<void> {
  const file = servingFile(dataDirectory);
  await writeFile(file, `${JSON.stringify({ pid: process.pid, url })}\n`);
  resources.defer(() => rm(file, { force: true }));
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

/** Throws SettingsError if a gateway serves the folder already. */
export async function refuseSecondGateway(dataDirectory: string): Promise<void> {
  const url = await findServing(dataDirectory);
  if (url === undefined) return;
  throw new SettingsError([
    `OPTAMIL_DATA: the gateway at ${url} already serves ${dataDirectory}; stop it or name another folder`,
  ]);
}

/** The file that says that the state of a data folder has gone into a fleet. */
const movedFile = (dataDirectory: string) => join(dataDirectory, "moved.json");

/** Notes that the state of a data folder is a fleet's now. */
export async function markMoved(dataDirectory: string, brokers: readonly string[]): Promise<void> {
  const text = JSON.stringify({ at: new Date().toISOString(), brokers });
  await writeFile(movedFile(dataDirectory), `${text}\n`);
}

/** Throws SettingsError if the state of the folder is a fleet's: whoever goes on alone would part from it. */
async function refuseMoved(dataDirectory: string): Promise<void> {
  const file = movedFile(dataDirectory);
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return;
  const { at, brokers }: { at: string; brokers: readonly string[] } = JSON.parse(text);
  throw new SettingsError([
    `OPTAMIL_DATA: ${dataDirectory} was moved to the fleet at ${brokers.join(", ")} (${at}): run 'optamil gateway', or remove ${file} to go on alone`,
  ]);
}

/** Throws SettingsError, of one line, if a newer release has made of the folder what this one would read wrongly. */
export async function refuseNewerState(dataDirectory: string): Promise<void> {
  const found = await readStateVersion(join(dataDirectory, "usage"));
  if (found.oldest <= stateVersion) return;
  const where = `OPTAMIL_DATA: ${dataDirectory}`;
  const verdict = judgeSchema(where, found, stateVersion);
  if (!verdict.fits) throw new SettingsError([verdict.problem]);
}

/** Throws SettingsError if no gateway may be started on the data folder. */
export async function refuseFolder({ dataDirectory, fleet }: Settings): Promise<void> {
  await refuseSecondGateway(dataDirectory);
  await refuseNewerState(dataDirectory);
  if (fleet === undefined) await refuseMoved(dataDirectory);
}

/** The gateway that runs on the data of this environment, and the key to call it with; undefined if none runs. */
export async function findRunning(environment: Environment, { dataDirectory }: Settings) {
  const url = await findServing(dataDirectory);
  if (url === undefined) return undefined;
  const key =
    environment["OPTAMIL_API_KEY"] ?? (await readFile(firstKeyFile(dataDirectory), "utf8"));
  return { url, key: key.trim() };
}

/** The key operations of the gateway that runs, or of its data folder if none does. */
export async function openKeys(environment: Environment): Promise<KeyOperations> {
  const settings = loadSettings(environment);
  const running = await findRunning(environment, settings);
  return running ? openRemoteKeys(running.url, running.key) : openLocalKeys(settings);
}

async function openLocalKeys(settings: Settings): Promise<KeyOperations> {
  const accounts = await openBootstrapped(settings);
  const [account] = accounts.directory.accounts({ limit: 1 }).accounts;
  if (account === undefined) throw new Error("the first account is missing");
  const actor = { accountId: account.id, name: "cli", scopes };
  return {
    create: (request) => accounts.manager.create(request, actor),
    list: async () => accounts.manager.list(actor),
    revoke: (keyId, reason) => accounts.manager.revoke(keyId, reason, actor),
    rotate: (keyId, overlapSeconds) => accounts.manager.rotate(keyId, overlapSeconds, actor),
    close: () => accounts.close(),
  };
}

async function openBootstrapped(settings: Settings): Promise<Accounts> {
  if (settings.fleet !== undefined) {
    throw new SettingsError(["no replica of the fleet runs on this data: start one first"]);
  }
  await refuseNewerState(settings.dataDirectory);
  await refuseMoved(settings.dataDirectory);
  const accounts = await openAccounts(settings, knownNames(settings));
  await accounts.bootstrap();
  return accounts;
}

/** The account operations of the gateway that runs, or of its data folder if none does. */
export async function openAccountOperations(environment: Environment): Promise<AccountOperations> {
  const settings = loadSettings(environment);
  const running = await findRunning(environment, settings);
  if (running !== undefined) return openRemoteAccounts(running.url, running.key);
  const accounts = await openBootstrapped(settings);
  const invite: AccountOperations["invite"] = async ({ email, plan, expiresInDays }) => {
    const { invitation, expiresAt } = await accounts.invite(email, plan, expiresInDays);
    return { invitation, expiresAt: BigInt(expiresAt) };
  };
  return openLocalAccounts(accounts.accounts, accounts.manager, invite, () => accounts.close());
}

/** What only a running gateway can tell; undefined if none runs. */
export async function openRunningMetering(
  environment: Environment,
): Promise<MeteringOperations | undefined> {
  const running = await findRunning(environment, loadSettings(environment));
  return running && openRemoteMetering(running.url, running.key);
}
