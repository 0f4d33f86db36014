import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { run } from "./process.ts";

const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
const reporter = new URL("../reporter.ts", import.meta.url).href;

const passes = "test('adds', () => { expect(1 + 1).toBe(2) })";
const fails =
  "test('adds', () => { console.log('some log'); expect({ sum: 3 }).toEqual({ sum: 2 }) })";
const skips = "test('later', (context) => context.skip('no such tool'))";

const noSetup = "export default () => {}";

const missing = `
  import { MissingToolError } from ${JSON.stringify(new URL("./missing-tool.ts", import.meta.url))};
  import { describeWith } from ${JSON.stringify(new URL("./describe-with.ts", import.meta.url))};
  const fetchTool = async () => { throw new MissingToolError("grpcurl", "no route", "try again") };
  await describeWith("grpcurl", fetchTool, () => test("lists the services", () => undefined));
`;

interface Case {
  name: string;
  files: Record<string, string>;
  closing: string;
  /** What else the output must contain. */
  shows?: string[];
  options?: string;
  globalSetup?: string;
  ci?: string;
}

const cases: Case[] = [
  {
    name: "counts the tests of all projects",
    files: { "one.a.test.js": passes, "two.b.test.js": passes },
    closing: "2 passed, 0 failed",
    shows: ["ok    a  one.a.test.js  1 passed, 0 failed", "ok    b  two.b.test.js"],
  },
  {
    name: "shows message, diff, place and output of a failed test",
    files: { "one.a.test.js": `${passes}\n${fails}` },
    closing: "1 passed, 1 failed",
    shows: ["FAIL  a  one.a.test.js > adds", "AssertionError", '-   "sum": 2', "some log", ":2:"],
  },
  {
    name: "shows the figures that a passing file prints",
    files: { "one.a.test.js": `test('adds', () => console.log('noise\\nfigure  sum  2'))` },
    closing: "1 passed, 0 failed",
    shows: ["figure  sum  2"],
  },
  {
    name: "counts skipped tests and shows the reason",
    files: { "one.a.test.js": `${passes}\n${skips}\ntest.todo('more')` },
    closing: "1 passed, 0 failed, 2 skipped",
    shows: ["skipped: later: no such tool"],
  },
  {
    name: "counts a file that does not load as a failure",
    files: { "one.a.test.js": passes, "two.a.test.js": "import './absent.js'" },
    closing: "1 passed, 1 failed",
    shows: ["absent.js"],
  },
  {
    name: "counts a failed hook as a failure beside the tests that it kept from running",
    files: { "one.a.test.js": `beforeAll(() => { throw new Error('no port') })\n${passes}` },
    closing: "0 passed, 1 failed, 1 skipped",
    shows: ["Error: no port"],
  },
  {
    name: "counts an unhandled rejection as a failure",
    files: { "one.a.test.js": `${passes}\nvoid Promise.reject(new Error('loose'))` },
    closing: "1 passed, 1 failed",
    shows: ["Error: loose"],
  },
  {
    name: "counts a run without any test as a failure",
    files: {},
    closing: "0 passed, 1 failed",
  },
  {
    name: "counts a project without any test as a failure where every project must run",
    files: { "one.a.test.js": passes },
    options: "{ everyProjectRuns: true }",
    closing: "1 passed, 1 failed",
    shows: ["b: no test ran"],
  },
  {
    name: "counts a failed global set-up as a failure",
    files: { "one.a.test.js": passes },
    globalSetup: "export default () => { throw new Error('no tool') }",
    closing: "0 passed, 1 failed",
    shows: ["no tool"],
  },
  {
    name: "counts a suite whose tool is missing as skipped and shows the reason",
    files: { "one.a.test.js": `${passes}${missing}` },
    closing: "1 passed, 0 failed, 1 skipped",
    shows: ["skipped: grpcurl > grpcurl cannot be had: no route; remedy: try again"],
  },
  {
    name: "counts a suite whose tool is missing as a failure in CI",
    files: { "one.a.test.js": missing },
    ci: "true",
    closing: "0 passed, 1 failed",
    shows: ["grpcurl cannot be had: no route; remedy: try again"],
  },
];

describe.concurrent("the closing line is the last line of the process and", () => {
  it.each(cases)(
    "$name",
    async ({ files, closing, shows = [], options = "", globalSetup = noSetup, ci }) => {
      const folder = await mkdtemp(join(tmpdir(), "optamil-reporter-"));
      try {
        const config = `import { createReporter } from ${JSON.stringify(reporter)};
        const project = (name) => ({ test: { name, globals: true, include: ["*." + name + ".test.js"] } });
        export default { test: { reporters: [createReporter(${options})], fsModuleCache: false,
          globalSetup: ["setup.js"], projects: [project("a"), project("b")] } };`;
        const all = { ...files, "vitest.config.mjs": config, "setup.js": globalSetup };
        for (const [name, text] of Object.entries(all)) await writeFile(join(folder, name), text);
        const args = [vitest, "run", "--maxWorkers=1", "--config", "vitest.config.mjs"];
        const { code, stdout, stderr } = await run(process.execPath, args, {
          cwd: folder,
          env: { NO_COLOR: "1", VITEST: undefined, CI: ci },
        });
        for (const text of shows) expect(stdout + stderr).toContain(text);
        expect(stdout.trimEnd().split("\n").at(-1)).toBe(closing);
        expect(code).toBe(closing.includes(" 0 failed") ? 0 : 1);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
