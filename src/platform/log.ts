// JSON lines for the operator, written in batches so that a request never waits for them.
import { destination, pino } from "pino";

/** Batches of lines, and writes: UTF-16 units, which are bytes as long as lines are ASCII. */
type Sizes = { readonly heldLengthMax: number; readonly maxWrite: number };
const alone: Sizes = { heldLengthMax: 12_288, maxWrite: 16_384 };
/** Several processes write to one pipe: what is longer than its atomic writes (PIPE_BUF, 4,096) could come torn. */
const among: Sizes = { heldLengthMax: 3_072, maxWrite: 4_096 };
const heldForMsMax = 250;
/** Lines beyond that are dropped: a reader of standard error that has stopped must not fill the memory. */
const unwrittenBytesMax = 4 * 1024 * 1024;

/** Writes one line a call. Never given secrets or prompt text. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /**
   * The line of `info` with fields that are JSON already, each with a comma before it: for the line of each request,
   * which would cost a tenth of the request otherwise.
   */
  infoText(fields: () => string, message: string): void;
  /** Writes what is still in memory; for the end of the process. */
  flush(): void;
}

/**
 * A log on standard error. At most some 12 KiB or 250 ms are held back.
 *
 * @param worker Number of the process among those that share the log; each line has it then.
 */
export function openLog(level: string, worker?: number): Log & { close(): void } {
  const lines = new Lines(worker === undefined ? alone : among);
  const base = worker === undefined ? null : { worker };
  const baseText = worker === undefined ? "" : `,"worker":${worker}`;
  const logger = pino({ level, base, timestamp: isoTimestamp }, lines);
  const infoLevel = logger.levels.values["info"];
  const showsInfo = logger.isLevelEnabled("info");
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    infoText: (fields, message) => {
      if (!showsInfo) return;
      lines.write(
        `{"level":${infoLevel}${isoTimestamp()}${baseText}${fields()},"msg":"${message}"}\n`,
      );
    },
    flush: () => lines.flush(),
    close: () => lines.close(),
  };
}

/**
 * Lines on their way to standard error. The stream below would lay out all that it holds anew for each line; here a line
 * is appended and nothing more.
 */
class Lines {
  readonly #stream;
  readonly #heldLengthMax: number;
  readonly #timer = setInterval(() => this.#pass(), heldForMsMax).unref();
  #held = "";

  constructor({ heldLengthMax, maxWrite }: Sizes) {
    this.#heldLengthMax = heldLengthMax;
    this.#stream = destination({ fd: 2, sync: false, maxWrite, maxLength: unwrittenBytesMax });
  }

  write(line: string): void {
    this.#held += line;
    if (this.#held.length >= this.#heldLengthMax) this.#pass();
  }

  flush(): void {
    this.#pass();
    try {
      this.#stream.flushSync();
    } catch {
      // Standard error is gone or was never opened: there is nobody left to tell.
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
    this.#stream.destroy();
  }

  #pass(): void {
    if (this.#held === "") return;
    const held = this.#held;
    this.#held = "";
    this.#stream.write(held);
  }
}

let stampedMs = 0;
let stamp = "";

/** The time of a line; lines of one millisecond share its text. */
function isoTimestamp(): string {
  const nowMs = Date.now();
  if (nowMs !== stampedMs) {
    stampedMs = nowMs;
    stamp = `,"time":"${new Date(nowMs).toISOString()}"`;
  }
  return stamp;
}
