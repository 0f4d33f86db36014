// The embedded warehouse as seen from outside of its process: what is stored in it, asked of the child that has it open.
import type { StatementName } from "./statement.ts";
import { parseRows, type Row, StoredUsage, type TextFormat } from "./stored-usage.ts";
import type { ConsumerSupervisor } from "./supervisor.ts";

/** The warehouse of a consumer's process. */
export class ChildWarehouse extends StoredUsage {
  readonly #consumer: Pick<ConsumerSupervisor, "ask">;

  constructor(consumer: Pick<ConsumerSupervisor, "ask">) {
    super();
    this.#consumer = consumer;
  }

  async ask(name: StatementName, parameters: Record<string, unknown>): Promise<Row[]> {
    return parseRows(await this.text(name, parameters, "JSONEachRow"));
  }

  /** The answer to a statement as text. */
  async text(
    name: StatementName,
    parameters: Record<string, unknown>,
    format: TextFormat,
  ): Promise<string> {
    const question = { kind: "statement", name, parameters, format } as const;
    return (await this.#consumer.ask<"statement">(question)).text;
  }
}
