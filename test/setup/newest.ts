/** Whether this run tests the clients of others at their newest releases instead of the pinned ones. */

/**
 * The day of a run that was asked for the newest releases with `OPTAMIL_TEST_NEWEST=1`, such as
 * `2026-11-27`: they are fetched once a day. Undefined for all other runs, which take what is pinned.
 */
export function newestDay(): string | undefined {
  if (process.env["OPTAMIL_TEST_NEWEST"] !== "1") return undefined;
  return new Date().toISOString().slice(0, 10);
}
