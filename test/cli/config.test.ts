/** `optamil config check` over a checker that knows one good file. */
import { describe, expect, it } from "vitest";
import { SettingsError } from "../../src/platform/settings.ts";
import { type CommandResult, runWith } from "./fake-context.ts";

const check = (...words: string[]): Promise<CommandResult> =>
  runWith(
    {
      async checkConfig(file) {
        if (file === "good.yaml") return { version: "0123456789ab", notices: ["Beware."] };
        throw new SettingsError([`${file}: one`, `${file}: two`]);
      },
    },
    ...["config", ...words],
  );

describe("optamil config check", () => {
  it("says ok with the version, and what the operator should know", async () => {
    const printed = ["ok, version 0123456789ab", "Beware."];
    expect(await check("check", "good.yaml")).toEqual({ code: 0, printed, warned: [] });
  });

  it("says each problem in a line, and fails", async () => {
    const warned = ["bad.yaml: one", "bad.yaml: two"];
    expect(await check("check", "bad.yaml")).toEqual({ code: 1, printed: [], warned });
  });

  it.each([[], ["check"], ["show", "good.yaml"], ["check", "good.yaml", "more"]])(
    "says how it is called when it is called as: %s %s %s",
    async (...words) => {
      const { code, printed, warned } = await check(...words);
      expect({ code, printed }).toEqual({ code: 2, printed: [] });
      expect(warned.at(-1)).toBe("usage: optamil config check [FILE]");
    },
  );
});
