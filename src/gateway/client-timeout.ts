// Reads how long an OpenAI client waits for an answer that comes in one piece.

const secondsPattern = /^\d{1,6}(\.\d{1,6})?$/;

/**
 * Milliseconds after which the client will have gone, at least 1; undefined if it does not say, or nothing that could be meant.
 *
 * openai-node and openai-go send the whole wait as `x-stainless-timeout`, openai-python the wait for the next bytes as
 * `x-stainless-read-timeout`, both in seconds.
 */
export function readClientTimeoutMs(
  header: (name: string) => string | undefined,
): number | undefined {
  const text = header("x-stainless-timeout") ?? header("x-stainless-read-timeout") ?? "";
  const seconds = secondsPattern.test(text) ? Number(text) : 0;
  return seconds === 0 ? undefined : Math.max(1, Math.round(seconds * 1_000));
}
