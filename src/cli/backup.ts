// `optamil backup` and `optamil restore`: a copy of all state of one machine, and back.
import { parseArgs } from "node:util";
import { type Command, UsageError } from "./command.ts";

/** Copies the data folder of a gateway that is stopped. */
export const backup: Command = {
  usage: "backup FOLDER [--json]",
  summary: "Copy all state of a stopped gateway into a new folder; it holds secrets.",
  async run(words, context) {
    const { folder, json } = readWords(words);
    const { from, files, bytes } = await context.backUp(folder);
    if (json) context.print(JSON.stringify({ from, to: folder, files, bytes }));
    else context.print(`${files} files, ${bytes} bytes of ${from} are in ${folder}`);
    return 0;
  },
};

/** Copies it back and audits it. Exit code 1 if the books of what was restored are wrong. */
export const restore: Command = {
  usage: "restore FOLDER [--json]",
  summary: "Put a backup into a data folder that is empty, and check its books.",
  async run(words, context) {
    const { folder, json } = readWords(words);
    const { to, madeAt, findings } = await context.restore(folder);
    const errors = findings.filter(({ severity }) => severity === "error");
    if (json) context.print(JSON.stringify({ to, madeAt, findings }));
    else context.print(`${to} is as it was at ${madeAt}; ${errors.length} errors in its books`);
    for (const { message } of errors) context.warn(message);
    return errors.length === 0 ? 0 : 1;
  },
};

function readWords(words: readonly string[]): { folder: string; json: boolean } {
  const options = { json: { type: "boolean", default: false } } as const;
  const { values, positionals } = parseArgs({ args: [...words], options, allowPositionals: true });
  const [folder, ...others] = positionals;
  if (folder === undefined || others.length > 0) throw new UsageError("name one folder");
  return { folder, json: values.json };
}
