import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { generated } from "../../deploy/generated.ts";
import { projectRoot } from "../setup/runtime.ts";

it.each([...generated()])("deploy/%s is what the sources say", async (file, text) => {
  expect(await readFile(join(projectRoot, "deploy", file), "utf8")).toBe(text);
});
