/** The test reporter: a line per test file, failures in full, and a closing line that scripts read. */
import type { UserConsoleLog } from "vitest";
import type {
  Reporter,
  SerializedError,
  TestCase,
  TestModule,
  TestProject,
  TestSuite,
  Vitest,
} from "vitest/node";

/** Settings of the reporter. */
export interface ClosingLineOptions {
  /**
   * Counts every chosen project that ran no test as a failure. Default false, since a run of one
   * file is no mistake; CI sets it, since there a pattern that matches nothing would pass unseen.
   */
  everyProjectRuns?: boolean;
}

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What a passing file may print: a line `figure  <what>  <numbers>`. */
const figures = /^figure {2}.*$/gm;
const logCharactersMax = 64 * 1024;

/**
 * Creates the reporter. The very last line of the process is `N passed, N failed`, with
 * `, N skipped` when something was. A file that does not load, a failed suite hook, an unhandled
 * error, a test that never ended and a run without any test each count as a failure.
 */
export function createReporter(options: ClosingLineOptions = {}): Reporter {
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const failures: string[] = [];
  const logs = new Map<string, string>();
  let vitest: Vitest | undefined;
  let ended = false;

  function fail(title: string, errors: readonly unknown[], project?: TestProject): void {
    total.failed++;
    failures.push(title);
    print(`FAIL  ${title}`);
    for (const error of errors) print(indent(formatError(error, vitest, project)));
  }

  return {
    onInit(context) {
      vitest = context;
      // The process prints nothing after its exit listeners, so here the line is really the last.
      process.once("exit", () => {
        if (!ended) fail("the run did not come to its end", []);
        if (total.failed > 0) process.exitCode = 1;
        print(closingLine(total));
      });
    },
    onUserConsoleLog(log) {
      const moduleId = moduleOf(log, vitest);
      if (moduleId === undefined) return print(log.content.trimEnd());
      logs.set(moduleId, `${logs.get(moduleId) ?? ""}${log.content}`.slice(-logCharactersMax));
    },
    onTestModuleEnd(module) {
      const counts = countTests(module);
      const broken = brokenSuites(module);
      const failed = counts.failed + broken.length;
      total.passed += counts.passed;
      total.skipped += counts.skipped;
      print(moduleLine(module, { ...counts, failed }));
      for (const test of module.children.allTests("skipped")) print(skipLine(test));
      for (const suite of broken) fail(titleOf(suite), suite.errors(), module.project);
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result();
        if (state === "failed") fail(titleOf(test), errors, module.project);
        if (state === "pending") fail(`${titleOf(test)}: never ended`, []);
      }
      const log = logs.get(module.id);
      if (failed > 0 && log) print(indent(`output of the file:\n${log.trimEnd()}`));
      else for (const [figure] of log?.matchAll(figures) ?? []) print(indent(figure));
      logs.delete(module.id);
    },
    onTestRunEnd(modules, unhandledErrors, reason) {
      ended = true;
      for (const error of unhandledErrors) fail("unhandled error", [error]);
      for (const module of modules) {
        if (["queued", "pending"].includes(module.state())) fail(`${titleOf(module)}: not run`, []);
      }
      for (const name of idleProjects(modules, vitest, options)) fail(`${name}: no test ran`, []);
      if (reason === "interrupted") fail("the run was interrupted", []);
      if (total.passed + total.failed === 0) fail("no test ran", []);
      if (failures.length > 0) print(`\nfailed:\n${failures.map(indent).join("\n")}`);
    },
  };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function closingLine({ passed, failed, skipped }: Counts): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped > 0 ? `${line}, ${skipped} skipped` : line;
}

function moduleLine(module: TestModule, counts: Counts): string {
  const seconds = (module.diagnostic().duration / 1_000).toFixed(2);
  const verdict = counts.failed > 0 ? "FAIL" : "ok  ";
  return `${verdict}  ${titleOf(module)}  ${closingLine(counts)}  ${seconds} s`;
}

function skipLine(test: TestCase): string {
  const result = test.result();
  const note = result.state === "skipped" && result.note ? `: ${result.note}` : "";
  return `      skipped: ${test.fullName}${note}`;
}

function countTests(module: TestModule): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    counts[state === "pending" ? "failed" : state]++;
  }
  return counts;
}

/** The file itself and its suites, as far as they have errors outside of their tests. */
function brokenSuites(module: TestModule): (TestModule | TestSuite)[] {
  const suites = [module, ...module.children.allSuites()];
  const broken = suites.filter((suite) => suite.errors().length > 0);
  // A worker that died leaves a failed file in which nothing has an error of its own.
  if (broken.length > 0 || module.state() !== "failed") return broken;
  return countTests(module).failed > 0 ? [] : [module];
}

function idleProjects(
  modules: readonly TestModule[],
  vitest: Vitest | undefined,
  options: ClosingLineOptions,
): string[] {
  if (!options.everyProjectRuns) return [];
  const busy = new Set(modules.map((module) => module.project.name));
  return (vitest?.projects ?? []).map(({ name }) => name).filter((name) => !busy.has(name));
}

function moduleOf(log: UserConsoleLog, vitest: Vitest | undefined): string | undefined {
  const entity = log.taskId ? vitest?.state.getReportedEntityById(log.taskId) : undefined;
  if (entity === undefined) return undefined;
  return entity.type === "module" ? entity.id : entity.module.id;
}

function titleOf(entity: TestModule | TestSuite | TestCase): string {
  const project = entity.project.name === "" ? "" : `${entity.project.name}  `;
  if (entity.type === "module") return `${project}${entity.relativeModuleId}`;
  return `${project}${entity.module.relativeModuleId} > ${entity.fullName}`;
}

function formatError(
  error: unknown,
  vitest: Vitest | undefined,
  project: TestProject | undefined,
): string {
  const formatted = vitest?.logger.formatError(error, {
    fullStack: true,
    ...(project !== undefined && { project }),
  });
  return formatted?.output.trim() || String((error as SerializedError).message ?? error);
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "      ");
}
