// Opens what is made of several parts: all of it, or nothing.

/**
 * What `compose` opens. It defers the end of each part on the stack as soon as that is open, and they are ended again
 * when something fails; afterwards the stack is the caller's to dispose of.
 */
export async function openWhole<Whole>(
  compose: (resources: AsyncDisposableStack) => Promise<Whole>,
): Promise<Whole> {
  const resources = new AsyncDisposableStack();
  try {
    return await compose(resources);
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}
