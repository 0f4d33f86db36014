/** A suite that needs a tool from outside npm: it runs, is skipped with one line, or fails in CI. */
import { describe, it } from "vitest";
import { isCi, MissingToolError } from "./missing-tool.ts";

/**
 * A `describe` whose tests need a tool; use it as `await describeWith(…)` at the top of a test file.
 * Where the tool cannot be had, one skipped test carries the reason; in CI the file fails with it.
 */
export async function describeWith<Tool>(
  name: string,
  fetchTool: () => Promise<Tool>,
  body: (tool: Tool) => void,
): Promise<void> {
  try {
    const tool = await fetchTool();
    describe(name, () => body(tool));
  } catch (error) {
    if (!(error instanceof MissingToolError) || isCi()) throw error;
    describe(name, () => {
      it.skip(error.message, () => undefined);
    });
  }
}
