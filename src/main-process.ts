// Part of the composition root: what concerns a process as such, whatever it runs. It loads nothing.
import * as modules from "node:module";
import { fileURLToPath } from "node:url";

/** Beside the program, which whoever may write there could change as well; nothing of it is lost with it. */
const compiledFolder = new URL("../.cache/code", import.meta.url);

/**
 * Keeps compiled code, so that the processes after this one start in two thirds of the processor time. Does nothing where the
 * folder may not be written and NODE_COMPILE_CACHE names no other, nor on Deno, which keeps it by itself.
 */
export function keepCompiledCode(): void {
  const enable: ((folder: string) => unknown) | undefined = modules.enableCompileCache;
  enable?.(fileURLToPath(compiledFolder));
}

/** Resolves at SIGTERM or SIGINT; a second signal ends the process at once. */
export function untilStopped(): Promise<void> {
  return new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}

/**
 * Shows the runtime's warnings but one: kafkajs sets a timer to the past whenever nothing waits in its queue, and
 * Node 24 warns of it.
 */
export function hideKafkaTimerWarning(): void {
  process.removeAllListeners("warning");
  process.on("warning", ({ name, message }) => {
    if (name !== "TimeoutNegativeWarning") process.stderr.write(`${name}: ${message}\n`);
  });
}

/** Whoever reads what is printed may leave before its end, as `head` does: that ends no command, and no gateway. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
}
