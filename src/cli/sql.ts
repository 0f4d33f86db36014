// `optamil sql "SELECT …"`: questions to the warehouse.
import { parseArgs } from "node:util";
import { type Command, UsageError } from "./command.ts";
import { openRunning } from "./running.ts";

/** ClickHouse's format for people. */
const tableFormat = "PrettyCompactMonoBlock";

/** Prints the answer to one statement that reads. */
export const sql: Command = {
  usage: 'sql "SELECT …" [--format CLICKHOUSE_FORMAT] [--json]',
  summary: "Ask the warehouse in SQL; --json prints an object a line (needs a running gateway).",
  async run(words, context) {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: {
        format: { type: "string" },
        json: { type: "boolean", default: false },
      },
      allowPositionals: true,
    });
    const [statement, ...others] = positionals;
    if (statement === undefined || others.length > 0) {
      throw new UsageError("give one statement, in quotes");
    }
    const format = values.format ?? (values.json ? "JSONEachRow" : tableFormat);
    const text = await (await openRunning(context)).sql(statement, format);
    if (text !== "") context.print(text.replace(/\n$/, ""));
    return 0;
  },
};
