import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { describeWith } from "../setup/describe-with.ts";
import { goProgram } from "../setup/go-tool.ts";
import { run, startProcess } from "../setup/process.ts";
import { projectRoot, runtimeCommand } from "../setup/runtime.ts";
import { bearer } from "./doors.ts";
import { startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

type Report = {
  /** Cases that were tried. */
  readonly cases: readonly string[];
  readonly failed: readonly string[];
};

/** What h2spec finds at a port of this machine. */
async function inspect(h2spec: string, port: number): Promise<Report> {
  const folder = await mkdtemp(join(tmpdir(), "optamil-h2spec-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "report.xml");
  const done = await run(h2spec, [String(port), file], { timeoutMs: 120_000 });
  expect(done.code, done.stderr).toBe(0);
  const report = await readFile(file, "latin1");
  const found = report.matchAll(
    /<testcase package="([^"]*)" classname="([^"]*)"[^>]*>\s*(<error>)?/g,
  );
  const all = [...found].map(([, section, title, mark]) => ({
    name: `${section}: ${title}`,
    isFailed: mark !== undefined,
  }));
  return {
    cases: all.map(({ name }) => name),
    failed: all.filter(({ isFailed }) => isFailed).map(({ name }) => name),
  };
}

/**
 * Both send a second frame on a stream whose request is whole. Had the answer gone out before that frame was read, the
 * stream is closed, and what comes then may be ignored (RFC 9113, 5.1): which of both it is, a busy machine decides.
 */
const raced = [
  "http2/5.1: half closed (remote): Sends a DATA frame",
  "http2/5.1: half closed (remote): Sends a HEADERS frame",
];

async function startBareServer(): Promise<number> {
  const { command, args } = runtimeCommand("test/e2e/h2spec/bare.ts", []);
  const server = await startProcess(command, args, { readyLine: /^port (\d+)$/ });
  return Number(server.ready?.[1]);
}

await describeWith(
  "h2spec, the conformance suite of HTTP/2,",
  () => goProgram(join(projectRoot, "test/e2e/h2spec")),
  (h2spec) => {
    it("finds nothing that a bare server of node:http2 does not have too, and the gateway serves on", async () => {
      const bare = await inspect(h2spec, await startBareServer());
      const gateway = await startGateway();
      const own = await inspect(h2spec, gateway.port);
      expect(own.cases).toEqual(bare.cases);
      expect(own.cases.length).toBeGreaterThan(100);
      expect(own.cases).toEqual(expect.arrayContaining(raced));
      const known = new Set([...bare.failed, ...raced]);
      const more = own.failed.filter((name) => !known.has(name));
      // On a port that speaks HTTP/1.1 too those bytes are a bad request of that: 400, and closed.
      expect(more).toEqual(["http2/3.5: Sends invalid connection preface"]);
      const models = { path: "/v1/models", headers: bearer(gateway.key) };
      expect((await sendHttp1(gateway.url, models)).status).toBe(200);
    }, 240_000);
  },
);
