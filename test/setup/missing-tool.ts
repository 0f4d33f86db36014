/** The one clear line about a tool that the tests need and that cannot be had. */

/** A tool cannot be had; the message is one line: what, why and the remedy. */
export class MissingToolError extends Error {
  override readonly name = "MissingToolError";

  /**
   * @param what the tool and its version
   * @param why the reason, of which only the last line with text is shown
   * @param remedy what the reader can do about it
   */
  constructor(what: string, why: string, remedy: string) {
    super(`${what} cannot be had: ${lastLine(why)}; remedy: ${remedy}`);
  }
}

/** Whether this run is the CI's: then a missing tool fails the run instead of skipping suites. */
export function isCi(): boolean {
  return !["", "0", "false", undefined].includes(process.env["CI"]);
}

function lastLine(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  return (lines.filter((line) => line !== "").at(-1) ?? "no reason given").slice(0, 300);
}
