// JSON lines for the operator, written in batches so that a request never waits for them.
import { destination, pino } from "pino";

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

/** A log on standard error. At most 12 KiB or 250 ms are held back. */
export function openLog(level: string): Log & { close(): void } {
  const stream = destination({ fd: 2, sync: false, minLength: 12_288, periodicFlush: 250 });
  const logger = pino({ level, base: null, timestamp: isoTimestamp }, stream);
  const infoLevel = logger.levels.values["info"];
  const showsInfo = logger.isLevelEnabled("info");
  const flush = () => {
    try {
      stream.flushSync();
    } catch {
      // Standard error is gone or was never opened: there is nobody left to tell.
    }
  };
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    infoText: (fields, message) => {
      if (!showsInfo) return;
      stream.write(`{"level":${infoLevel}${isoTimestamp()}${fields()},"msg":"${message}"}\n`);
    },
    flush,
    close: () => {
      flush();
      stream.destroy();
    },
  };
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
