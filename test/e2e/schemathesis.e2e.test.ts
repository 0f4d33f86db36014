import { delimiter } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { describeWith } from "../setup/describe-with.ts";
import { run } from "../setup/process.ts";
import { pythonPackages } from "../setup/python-packages.ts";
import { runtimeUnderTest } from "../setup/runtime.ts";
import { startGateway, temporaryFolder } from "./gateway.ts";

const timeoutMs = 600_000;
const hooks = fileURLToPath(new URL("schemathesis", import.meta.url));

/**
 * What is left out: that all which the schemas admit is taken. Rules over several fields, statements that only
 * read and e-mail addresses that are free have no words in JSON Schema.
 */
const args = ["--exclude-checks", "positive_data_acceptance"];
args.push("--phases", "coverage,fuzzing", "--max-examples", "5", "--seed", "1", "--no-color");
// Once is enough for all operations; what the runtimes differ in is how an answer is streamed.
const streamed = ["/v1/chat/completions", "/v1/messages", "/v1/responses"];
const isDeno = runtimeUnderTest() === "deno";
if (isDeno) for (const path of streamed) args.push("--include-path", path);
/** Kinds of good answers that there must have been, by path. */
const good: [string, string[]][] = [
  ...streamed.map((path): [string, string[]] => [
    path,
    ["200 application/json", "200 text/event-stream"],
  ]),
  ...(isDeno ? [] : [["/v1/embeddings", ["200 application/json"]] satisfies [string, string[]]]),
];

await describeWith(
  "schemathesis",
  () => pythonPackages("schemathesis"),
  ({ command, env }) => {
    it(
      "finds no answer that /openapi.json does not describe, streams included",
      async () => {
        // It sends bad keys faster than one address may, and all are to be refused as such.
        const limits = { failedAuthPerMinute: 1_000_000 };
        const { url, key } = await startGateway({ config: { limits } });
        const program = ["-m", "schemathesis.cli", "run", `${url}/openapi.json`, ...args];
        const authorization = ["--header", `Authorization: Bearer ${key}`];
        const { code, stdout, stderr } = await run(command, [...program, ...authorization], {
          timeoutMs,
          // It keeps what it learnt in the working directory.
          cwd: await temporaryFolder(),
          env: {
            ...env,
            PYTHONPATH: [env.PYTHONPATH, hooks].join(delimiter),
            SCHEMATHESIS_HOOKS: "hooks",
            API_KEY: key,
            NO_PROXY: "127.0.0.1",
          },
        });
        expect(code, stdout + stderr).toBe(0);
        for (const [path, kinds] of good) {
          const answers = [...stdout.matchAll(new RegExp(`^answer POST ${path} (.+)$`, "gm"))];
          expect(
            answers.map(([, answer]) => answer),
            path,
          ).toEqual(expect.arrayContaining(kinds));
        }
      },
      timeoutMs,
    );
  },
);
