import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWith } from "../setup/describe-with.ts";
import { run } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { runOptamil, startGateway } from "./gateway.ts";

const gateway = await startGateway();

/** The program that `optamil examples` prints for an API of this gateway. */
async function programFor(api: string): Promise<string> {
  const keyFile = join(gateway.dataDirectory, "first-key");
  const words = ["examples", api, "--url", gateway.url, "--key-file", keyFile];
  const { code, stdout, stderr } = await runOptamil(words, gateway.dataDirectory);
  expect(code, stderr).toBe(0);
  return stdout;
}

const saysHello = /demo provider.*Say hello/;

for (const [client, expected] of [
  [
    "openai",
    {
      chat: saysHello,
      responses: saysHello,
      embeddings: /^\[1536, 1536\]$/m,
      feedback: /'object': 'feedback'/,
    },
  ],
  ["anthropic", { messages: saysHello }],
] as const) {
  await describeWith(
    `the official client ${client} for Python`,
    () => pythonPackages(client),
    ({ command, env }) => {
      it.each(Object.entries(expected))(
        "runs what 'optamil examples %s' prints",
        async (api, output) => {
          const options = { env: { NO_PROXY: "127.0.0.1", ...env } };
          const done = await run(command, ["-c", await programFor(api)], options);
          expect(done.code, done.stderr).toBe(0);
          expect(done.stdout).toMatch(output);
        },
      );
    },
  );
}

it("all programs are printed where none is named, and another name is refused with those that there are", async () => {
  const all = await runOptamil(["examples"], gateway.dataDirectory);
  expect(all.stdout.match(/^# \w+/gm)).toEqual([
    "# chat",
    "# responses",
    "# messages",
    "# embeddings",
    "# feedback",
  ]);
  const refused = await runOptamil(["examples", "images"], gateway.dataDirectory);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toContain("chat|responses|messages|embeddings|feedback");
});
