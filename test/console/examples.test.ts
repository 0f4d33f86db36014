import { dirname } from "node:path";
import { expect, it } from "vitest";
import { codeOf, type Example, examples } from "../../src/console/docs/examples.ts";
import { startGateway } from "../e2e/gateway.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goTool } from "../setup/go-tool.ts";
import { type RunOptions, run } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { projectRoot } from "../setup/runtime.ts";

const gateway = await startGateway();

/** The examples that have code in a language, with that code. */
function inLanguage(language: string): [id: string, code: string, example: Example][] {
  return Object.values(examples).flatMap((example: Example) => {
    const code = codeOf(example, gateway.url, gateway.key).find(({ name }) => name === language);
    return code === undefined ? [] : [[example.id, code.text, example]];
  });
}

/** What a program prints; it must succeed. */
async function outputOf(
  command: string,
  args: readonly string[],
  input: string,
  env: RunOptions["env"] = {},
): Promise<string> {
  const options = { input, cwd: projectRoot, env: { NO_PROXY: "127.0.0.1", ...env } };
  const result = await run(command, args, options);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return result.stdout;
}

/** PATH with the folder of a program before all others. */
const pathWith = (program: string) => ({
  PATH: `${dirname(program)}:${process.env["PATH"] ?? ""}`,
});

/** What every answer of the demo provider has, but one that was asked for JSON. */
const demo = /demo/i;

await describeWith(
  "the docs' examples in curl",
  () => debianTool("curl"),
  (curl) => {
    it.each(inLanguage("curl"))("%s", async (id, code, { path, body }) => {
      const output = await outputOf("sh", ["-s"], code, pathWith(curl));
      if (body?.stream) expect(output).toMatch(/data: \[DONE\]\s*$/);
      else expect(JSON.parse(output)).not.toHaveProperty("error");
      if (path === "/v1/chat/completions" && id !== "json") expect(output).toMatch(demo);
    });
  },
);

await describeWith(
  "the docs' examples in Python",
  () => pythonPackages("openai"),
  (python) => {
    it.each(inLanguage("Python"))("%s", async (id, code) => {
      const output = await outputOf(python.command, ["-"], code, { ...python.env });
      if (id === "json") expect(JSON.parse(output)).toBeTypeOf("object");
      else expect(output).toMatch(demo);
    });
  },
);

await describeWith(
  "the docs' examples in TypeScript",
  async () => process.execPath,
  (node) => {
    it.each(inLanguage("TypeScript"))("%s", async (id, code) => {
      const output = await outputOf(node, ["--input-type=module-typescript", "-"], code);
      if (id === "json") expect(JSON.parse(output)).toBeTypeOf("object");
      else expect(output).toMatch(demo);
    });
  },
);

await describeWith(
  "the docs' examples in grpcurl",
  () => goTool("grpcurl"),
  (grpcurl) => {
    it.each(inLanguage("grpcurl"))("%s", async (id, code) => {
      const output = await outputOf("sh", ["-s"], code, pathWith(grpcurl));
      expect(output).toMatch(id === "json" ? /"content"/ : demo);
    });
  },
);
