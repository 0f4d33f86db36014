// `optamil config check`: whether a gateway could start with a configuration file.
import { parseArgs } from "node:util";
import { type Command, UsageError } from "./command.ts";

/** Checks a configuration file, with the environment over it as a start has it. Exit code 1 if there is a problem. */
export const config: Command = {
  usage: "config check [FILE]",
  summary:
    "Check a configuration file, default OPTAMIL_CONFIG; says each problem in a line, or ok.",
  async run(words, context) {
    const { positionals } = parseArgs({ args: [...words], options: {}, allowPositionals: true });
    const [action, file = context.environment["OPTAMIL_CONFIG"], ...rest] = positionals;
    if (action !== "check" || rest.length > 0) throw new UsageError("config: 'check' is missing");
    if (!file) throw new UsageError("config check: name a file, or set OPTAMIL_CONFIG");
    const { version, notices } = await context.checkConfig(file);
    context.print(`ok, version ${version}`);
    for (const notice of notices) context.print(notice);
    return 0;
  },
};
