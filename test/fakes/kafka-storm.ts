/** A fleet of consumer processes that come, leave, freeze and die, over one warehouse in memory. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Confirmation } from "../../src/usage/consumer-parts.ts";
import type { WorkerStatus } from "../../src/usage/kafka/worker.ts";
import type { KafkaHome } from "../usage/kafka-home.ts";
import type { MemoryWarehouse } from "./memory-warehouse.ts";

/** What a member asks of the warehouse. */
export type WarehouseCall = "insert" | "sums" | "sumsAfter" | "bases" | "id" | "lastOffset";

/** From a member. */
export type Told =
  | { type: "ask"; id: number; call: WarehouseCall; args: unknown[] }
  | { type: "delivered"; confirmation: Confirmation }
  | { type: "trouble"; message: string }
  | { type: "status"; partitions: [number, WorkerStatus][] };

/** To a member. */
export type Asked = "leave" | { id: number; result: never };

/** One process. */
export interface StormMember {
  /** The newest it said of its partitions. */
  status(): ReadonlyMap<number, WorkerStatus>;
  leave(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

const script = fileURLToPath(new URL("kafka-consumer-process.ts", import.meta.url));

/** Starts members; `stop` kills those that are left. */
export class Storm {
  readonly delivered: Confirmation[] = [];
  readonly troubles: string[] = [];
  readonly #home: KafkaHome;
  readonly #warehouse: MemoryWarehouse;
  readonly #children = new Set<ChildProcess>();

  constructor(home: KafkaHome, warehouse: MemoryWarehouse) {
    this.#home = home;
    this.#warehouse = warehouse;
  }

  join(): StormMember {
    const { connection, topics } = this.#home;
    const args = [connection.brokers.join(","), JSON.stringify(topics)];
    const child = fork(script, args, { serialization: "advanced", execArgv: [] });
    let status: ReadonlyMap<number, WorkerStatus> = new Map();
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));
    child.on("message", (message: Told) => {
      if (message.type === "status") status = new Map(message.partitions);
      else if (message.type === "delivered") this.delivered.push(message.confirmation);
      else if (message.type === "trouble") this.troubles.push(message.message);
      else void this.#answer(child, message);
    });
    return {
      status: () => status,
      async leave() {
        const exited = once(child, "exit");
        child.send("leave");
        await exited;
      },
      kill: (signal) => void child.kill(signal),
    };
  }

  async stop(): Promise<void> {
    const exits = [...this.#children].map((child) => once(child, "exit"));
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(exits);
  }

  async #answer(child: ChildProcess, { id, call, args }: Told & { type: "ask" }): Promise<void> {
    const method: (...args: never[]) => Promise<unknown> = this.#warehouse[call];
    const result = await method.apply(this.#warehouse, args as never[]);
    if (child.connected) child.send({ id, result } as object, () => undefined);
  }
}
