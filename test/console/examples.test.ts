import { dirname } from "node:path";
import { expect, it } from "vitest";
import { type Example, examples } from "../../src/console/docs/examples.ts";
import { startGateway, temporaryFolder } from "../e2e/gateway.ts";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goTool } from "../setup/go-tool.ts";
import { npmPackages } from "../setup/npm-packages.ts";
import { type RunOptions, run } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { projectRoot } from "../setup/runtime.ts";

const gateway = await startGateway();

/** The examples that have code in a language, with that code. */
function inLanguage(language: string): [id: string, code: string, example: Example][] {
  return Object.values(examples).flatMap((example: Example) => {
    const place = { origin: gateway.url, key: gateway.key };
    const code = example.programs(place).find(({ name }) => name === language);
    return code === undefined ? [] : [[example.id, code.text, example]];
  });
}

/** What a program prints; it must succeed. */
async function outputOf(
  command: string,
  args: readonly string[],
  input: string,
  env: RunOptions["env"] = {},
  cwd = projectRoot,
): Promise<string> {
  const options = { input, cwd, env: { NO_PROXY: "127.0.0.1", ...env } };
  const result = await run(command, args, options);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return result.stdout;
}

/** PATH with the folder of a program before all others. */
const pathWith = (program: string) => ({
  PATH: `${dirname(program)}:${process.env["PATH"] ?? ""}`,
});

/** What every answer of the demo provider has, but what is no text. */
const demo = /demo/i;
const printed: Readonly<Record<string, RegExp>> = {
  embeddings: /^1536$/m,
  feedback: /object['"]?: ['"]feedback/,
};

await describeWith(
  "the docs' examples in curl",
  () => debianTool("curl"),
  (curl) => {
    it.each(inLanguage("curl"))("%s", async (id, code, { path, body }) => {
      const output = await outputOf("sh", ["-s"], code, pathWith(curl), await temporaryFolder());
      if (body?.["stream"]) expect(output).toMatch(/data: \[DONE\]\s*$/);
      else expect(JSON.parse(output).error ?? "none").toBe("none");
      if (path === "/v1/chat/completions" && id !== "json") expect(output).toMatch(demo);
    });
  },
);

for (const client of ["openai", "anthropic"] as const) {
  await describeWith(
    `the docs' examples in Python with ${client}`,
    () => pythonPackages(client),
    (python) => {
      const own = inLanguage("Python").filter(([, code]) => code.startsWith(`from ${client} `));
      it.each(own)("%s", async (id, code) => {
        const output = await outputOf(python.command, ["-"], code, { ...python.env });
        if (id === "json") expect(JSON.parse(output)).toBeTypeOf("object");
        else expect(output).toMatch(printed[id] ?? demo);
      });
    },
  );
}

await describeWith(
  "the docs' examples in TypeScript",
  () => npmPackages("anthropic"),
  (packages) => {
    it.each(inLanguage("TypeScript"))("%s", async (id, code) => {
      const folder = id === "messages" ? packages : projectRoot;
      const args = ["--input-type=module-typescript", "-"];
      const output = await outputOf(process.execPath, args, code, {}, folder);
      if (id === "json") expect(JSON.parse(output)).toBeTypeOf("object");
      else expect(output).toMatch(printed[id] ?? demo);
    });
  },
);

await describeWith(
  "the docs' examples in grpcurl",
  () => goTool("grpcurl"),
  (grpcurl) => {
    it.each(inLanguage("grpcurl"))("%s", async (id, code) => {
      const output = await outputOf("sh", ["-s"], code, pathWith(grpcurl));
      if (id === "embeddings") expect(output).toMatch(/"embedding"/);
      else if (id === "feedback") expect(output).toMatch(/"object": "feedback"/);
      else expect(output).toMatch(id === "json" ? /"content"/ : demo);
    });
  },
);
