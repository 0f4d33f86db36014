/** A command's world in memory: what it prints is kept, and its operations are the test's. */

import type {
  AccountOperations,
  CommandContext,
  DeadLetterOperations,
  MeteringOperations,
  Migration,
} from "../../src/cli/command.ts";
import { runCommand } from "../../src/cli/run.ts";

/** What came of a command. */
export type CommandResult = {
  readonly code: number;
  /** Lines of standard output. */
  readonly printed: readonly string[];
  /** Lines of standard error. */
  readonly warned: readonly string[];
};

/** The operations that a test needs; each other one fails when it is called. */
export type FakeOperations = {
  readonly accounts?: Partial<AccountOperations>;
  /** Default: no gateway runs. */
  readonly metering?: Partial<MeteringOperations>;
  /** Default: the command fails. */
  readonly deadLetters?: Partial<DeadLetterOperations>;
  readonly migration?: Migration;
  readonly move?: CommandContext["move"];
  readonly consume?: CommandContext["consume"];
  readonly checkConfig?: CommandContext["checkConfig"];
  readonly serve?: CommandContext["serve"];
};

/** Runs `optamil <words…>` over fakes. */
export async function runWith(
  {
    accounts = {},
    metering,
    deadLetters,
    migration,
    move,
    consume,
    checkConfig,
    serve,
  }: FakeOperations,
  ...words: string[]
): Promise<CommandResult> {
  const printed: string[] = [];
  const warned: string[] = [];
  const context: CommandContext = {
    environment: {},
    print: (line) => printed.push(line),
    warn: (line) => warned.push(line),
    serve: serve ?? refuse,
    openKeys: refuse,
    rotateSigningKeys: async (step) => `kid-${step}`,
    openAccounts: async () => ({ ...noAccounts, ...accounts }),
    migrate: async () => migration ?? refuse(),
    move: move ?? refuse,
    consume: consume ?? refuse,
    openDeadLetters: async () => ({ ...noDeadLetters, ...deadLetters }),
    openMetering: async () => metering && { ...noMetering, ...metering },
    checkConfig: checkConfig ?? refuse,
    diagnose: refuse,
    backUp: refuse,
    restore: refuse,
    openApi: refuse,
  };
  return { code: await runCommand(words, context), printed, warned };
}

function refuse(): never {
  throw new Error("the test did not expect this call");
}

const noAccounts: AccountOperations = {
  list: refuse,
  create: refuse,
  invite: refuse,
  setPlan: refuse,
  setRouting: refuse,
  setContentDays: refuse,
  grant: refuse,
  keys: refuse,
  revokeKey: refuse,
  plans: refuse,
  changes: refuse,
  close: async () => {},
};

const noDeadLetters: DeadLetterOperations = {
  list: refuse,
  show: refuse,
  replay: refuse,
  close: async () => undefined,
};

const noMetering: MeteringOperations = {
  usage: refuse,
  budgets: refuse,
  setBudget: refuse,
  deleteBudget: refuse,
  sql: refuse,
  audit: refuse,
  refund: refuse,
};
