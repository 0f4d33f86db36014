// What an LMDB commit failed of.

const enospc = 28;
const edquot = 122;

/** What lies under a failed commit: the library gives a promise that rejects with it. */
export async function causeOf(error: unknown): Promise<unknown> {
  const below = error instanceof Error && "commitError" in error ? error.commitError : undefined;
  if (!(below instanceof Promise)) return error;
  return below.then(
    () => error,
    (cause: unknown) => cause,
  );
}

/** Whether an error of LMDB or of the file system says that there is no room. */
export function isNoSpace(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === enospc || code === edquot || code === "ENOSPC" || code === "EDQUOT";
}
