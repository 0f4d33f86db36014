// Waits for something, but not for ever.

/**
 * What the work gives; undefined when that takes longer than so many milliseconds. The work itself goes on then,
 * and what becomes of it is nobody's business any more. An answer that has come in time and only waits for
 * this process to read it, as it was busy, is not late.
 */
export function within<Value>(timeoutMs: number, work: Promise<Value>): Promise<Value | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  // Timers come before the sockets in a turn of the event loop, and immediates after them.
  const timer = setTimeout(() => setImmediate(resolve, undefined), timeoutMs);
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
