// Finds the sub-command that was called, runs it and turns its failures into one clear line.
import { ConnectError } from "@connectrpc/connect";
import { OptamilError } from "../platform/errors.ts";
import { SettingsError } from "../platform/settings.ts";
import { accounts } from "./accounts.ts";
import { audit } from "./audit.ts";
import { backup, restore } from "./backup.ts";
import { budgets } from "./budgets.ts";
import { changes } from "./changes.ts";
import { type Command, type CommandContext, UsageError } from "./command.ts";
import { config } from "./config.ts";
import { consumer } from "./consumer.ts";
import { dlq } from "./dlq.ts";
import { doctor } from "./doctor.ts";
import { examplesCommand } from "./examples.ts";
import { gateway } from "./gateway.ts";
import { keys } from "./keys.ts";
import { migrate } from "./migrate.ts";
import { move } from "./move.ts";
import { openapi } from "./openapi.ts";
import { plans } from "./plans.ts";
import { sql } from "./sql.ts";
import { start } from "./start.ts";
import { usage } from "./usage.ts";

const commands: Readonly<Record<string, Command>> = {
  start,
  keys,
  accounts,
  plans,
  changes,
  usage,
  budgets,
  sql,
  audit,
  gateway,
  consumer,
  migrate,
  move,
  dlq,
  config,
  doctor,
  backup,
  restore,
  openapi,
  examples: examplesCommand,
};

/** Runs `optamil <words…>`; resolves with the exit code: 0 done, 1 failed, 2 called wrongly. */
export async function runCommand(
  words: readonly string[],
  context: CommandContext,
): Promise<number> {
  const [name = "help", ...rest] = words;
  if (name === "help" || name === "--help" || name === "-h") {
    context.print(helpText());
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    context.warn(`optamil: there is no command '${name}'. 'optamil help' lists them.`);
    return 2;
  }
  try {
    return await command.run(rest, context);
  } catch (error) {
    return explain(error, command, context);
  }
}

function explain(error: unknown, command: Command, { warn }: CommandContext): number {
  if (error instanceof SettingsError) {
    for (const problem of error.problems) warn(problem);
    return 1;
  }
  if (error instanceof UsageError || isParseArgsError(error)) {
    warn(`optamil: ${error.message}`);
    warn(`usage: optamil ${command.usage}`);
    return 2;
  }
  if (error instanceof OptamilError) warn(`optamil: ${error.message}`);
  else if (error instanceof ConnectError) warn(`optamil: ${error.rawMessage}`);
  else if (error instanceof Error && "code" in error) warn(`optamil: ${error.message}`);
  else throw error;
  return 1;
}

function isParseArgsError(error: unknown): error is Error {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return String(error.code).startsWith("ERR_PARSE_ARGS_");
}

function helpText(): string {
  const rows = Object.values(commands).map(
    ({ usage, summary }) => `  optamil ${usage}\n      ${summary}`,
  );
  return `optamil: an OpenAI-compatible LLM gateway\n\n${rows.join("\n")}\n`;
}
