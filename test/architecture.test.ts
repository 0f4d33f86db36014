import { existsSync, globSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { run } from "./setup/process.ts";
import { projectRoot } from "./setup/runtime.ts";
import { parseSourceFile, type SourceFile } from "./setup/source-file.ts";

const base = ["catalogue", "platform", "gen"];
const siblings = ["directory", "keys", "admission", "router", "providers", "usage"];

/** Who may import whom, beside itself: docs/CONTRIBUTING.md explains the rooms. */
const rooms: Record<string, string[]> = {
  gen: [],
  platform: ["gen"],
  catalogue: ["platform", "gen"],
  ...Object.fromEntries(siblings.map((room) => [room, base])),
  chat: [...siblings, ...base],
  gateway: ["chat", ...siblings, ...base],
  cli: ["chat", ...siblings, ...base],
  console: ["gen"],
};

/** The files in which each npm package may be imported. */
const packageHomes: Record<string, RegExp> = {
  "@bufbuild/protobuf": /^src\//,
  "@bufbuild/protovalidate": /^src\/platform\//,
  "@clickhouse/client": /^src\/usage\/clickhouse(-account-sql)?\.ts$/,
  "@connectrpc/connect": /^src\/(gateway\/|cli\/|console\/|platform\/errors\.ts$)/,
  "@connectrpc/connect-node": /^src\/(gateway|cli)\//,
  "@connectrpc/connect-web": /^src\/console\//,
  "@opentelemetry/api": /^src\/platform\//,
  chdb: /^src\/usage\/chdb\.ts$/,
  ioredis: /^src\/admission\/redis\.ts$/,
  jose: /^src\/keys\//,
  jsonrepair: /^src\/chat\//,
  kafkajs: /^src\/(platform|usage)\/kafka\/[a-z-]+\.ts$/,
  lmdb: /\/lmdb[^/]*\.ts$/,
  pino: /^src\/platform\//,
  "prom-client": /^src\/platform\//,
  react: /^src\/console\//,
  "react-dom": /^src\/console\//,
  undici: /^src\/providers\//,
  uplot: /^src\/console\//,
  yaml: /^src\/platform\//,
};

/** The files in which a node: module may be imported; a module without a row may be anywhere. */
const nodeHomes: Record<string, { values: RegExp; types: RegExp }> = {
  ...Object.fromEntries(
    ["http", "http2", "https", "net", "tls"].map((name) => [
      `node:${name}`,
      { values: /^src\/gateway\/listen(-[a-z0-9]+)?\.ts$/, types: /^src\/gateway\// },
    ]),
  ),
  // The guard of upstream addresses needs its lists of networks, and opens no socket.
  "node:net": {
    values: /^src\/(gateway\/listen(-[a-z0-9]+)?|providers\/egress)\.ts$/,
    types: /^src\/(gateway\/|providers\/egress\.ts$)/,
  },
  "node:process": { values: /^src\/(main\.ts|cli\/)/, types: /^src\/(main\.ts|cli\/)/ },
};

/** What has such a name in a sibling room is an adapter: only main.ts and providers/all.ts see it. */
const technologies =
  /^(anthropic|chdb|clickhouse|deepseek|demo|gemini|kafka|lmdb|memory|openai|redis)\b/;
const adapterUsers = /^src\/(main(-[a-z]+)?|providers\/all)\.ts$/;
/** The composition root, which lies beside the rooms and sees all of them. */
const compositionRoot = /^src\/main(-[a-z]+)?\.ts$/;

const homeless = /^(utils?|common|helpers?|shared|misc|types|index)$/;
const foldersMax = 3;
const fileLinesMax = 400;
const functionLinesMax = 70;
const assertionsPerThousandLinesMax = 5;

function roomOf(path: string): string {
  const [, room, rest] = path.split("/");
  return rest === undefined ? "" : (room ?? "");
}

function isWritten({ path }: SourceFile): boolean {
  return roomOf(path) !== "gen";
}

function targetOf(file: SourceFile, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(file.path), specifier));
}

/** The technology of an adapter with its room, as `usage/kafka`; undefined for any other file. */
function adapterOf(path: string): string | undefined {
  if (!siblings.includes(roomOf(path))) return undefined;
  const names = path.split("/").slice(2);
  const technology = names.map((name) => technologies.exec(name)?.[1]).find((name) => name);
  return technology && `${roomOf(path)}/${technology}`;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

type Rule = (file: SourceFile) => string[];

const roomsAreKnown: Rule = ({ path }) => {
  if (compositionRoot.test(path) || rooms[roomOf(path)]) return [];
  return [`${path} is in no room of the table`];
};

const importsFollowTheTable: Rule = (file) =>
  localImports(file).flatMap((target) => {
    if (!target.startsWith("src/")) return [`${file.path} imports ${target}, outside of src`];
    const [from, to] = [roomOf(file.path), roomOf(target)];
    if (compositionRoot.test(file.path) || from === to || rooms[from]?.includes(to)) return [];
    return [`${file.path} imports ${target}: ${from} may not import ${to || "main.ts"}`];
  });

const adaptersAreSeenByTheirUsers: Rule = (file) =>
  localImports(file).flatMap((target) => {
    const adapter = adapterOf(target);
    if (adapter === undefined || adapterUsers.test(file.path)) return [];
    return adapterOf(file.path) === adapter ? [] : [`${file.path} imports the adapter ${target}`];
  });

const packagesStayAtHome: Rule = ({ path, imports }) =>
  imports.flatMap(({ specifier, typeOnly }) => {
    if (specifier === undefined) return [`${path} imports something that only a run can tell`];
    if (specifier.startsWith(".")) {
      return /\.tsx?$/.test(specifier) ? [] : [`${path} imports ${specifier} without its .ts`];
    }
    if (isBuiltin(specifier)) {
      if (!specifier.startsWith("node:")) return [`${path} imports ${specifier} without node:`];
      const home = nodeHomes[specifier.split("/")[0] ?? ""]?.[typeOnly ? "types" : "values"];
      return home === undefined || home.test(path) ? [] : [`${path} may not import ${specifier}`];
    }
    const home = packageHomes[packageOf(specifier)];
    if (home === undefined) return [`${path} imports ${specifier}, which has no home in the table`];
    return home.test(path) ? [] : [`${path} may not import ${specifier}`];
  });

const generatedCodeNeedsProtobufOnly: Rule = ({ path, imports }) =>
  imports.flatMap(({ specifier = "" }) => {
    if (roomOf(path) !== "gen" || specifier.startsWith(".")) return [];
    return packageOf(specifier) === "@bufbuild/protobuf" ? [] : [`${path} imports ${specifier}`];
  });

const answerIsPure: Rule = ({ path, imports }) =>
  imports.flatMap(({ specifier }) => {
    const impure = path === "src/chat/answer.ts" && specifier?.startsWith("node:");
    return impure ? [`${path} imports ${specifier}`] : [];
  });

const runtimesAreNotAsked: Rule = ({ path, globals }) =>
  globals.flatMap((name) => {
    const allowed =
      name === "process" && (compositionRoot.test(path) || path.startsWith("src/cli/"));
    return allowed ? [] : [`${path} uses ${name}`];
  });

const namesSayWhatIsInside: Rule = ({ path }) => {
  const names = path.replace(/\.tsx?$/, "").split("/");
  const kebab = names.every((name) => /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name));
  const bad = names.filter((name) => homeless.test(name)).map((name) => `${path}: ${name}`);
  return kebab ? bad : [...bad, `${path} is not in kebab-case`];
};

const foldersAreShallow: Rule = ({ path }) => {
  const folders = path.split("/").length - 2;
  return folders > foldersMax ? [`${path} is ${folders} folders deep`] : [];
};

const filesAreShort: Rule = ({ path, lines }) => {
  const isData = /-data\.tsx?$/.test(path);
  return lines > fileLinesMax && !isData ? [`${path} has ${lines} lines`] : [];
};

const functionsFitAScreen: Rule = ({ path, functions }) =>
  functions
    .filter(({ lines }) => lines > functionLinesMax)
    .map(({ name, lines }) => `${path}: ${name} has ${lines} lines`);

function localImports(file: SourceFile): string[] {
  return file.imports.flatMap(({ specifier }) =>
    specifier?.startsWith(".") ? targetOf(file, specifier) : [],
  );
}

/** The npm packages that are loaded with a file, by it or by what it imports. */
function packagesLoadedWith(path: string): string[] {
  const packages = new Set<string>();
  const seen = new Set([path]);
  for (const one of seen) {
    const file = files.find((candidate) => candidate.path === one);
    if (file === undefined) throw new Error(`${one} is not there`);
    for (const { specifier = "", typeOnly, dynamic } of file.imports) {
      if (typeOnly || dynamic || isBuiltin(specifier)) continue;
      if (specifier.startsWith(".")) seen.add(targetOf(file, specifier));
      else packages.add(packageOf(specifier));
    }
  }
  return [...packages].toSorted();
}

/** Each import cycle once, as the list of its files; type-only imports count too. */
function importCycles(files: SourceFile[]): string[] {
  const targets = new Map(files.map((file) => [file.path, localImports(file)]));
  const done = new Set<string>();
  const cycles: string[] = [];
  function visit(path: string, trail: string[]): void {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path].join(" → "));
    if (start >= 0 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  }
  for (const { path } of files) visit(path, []);
  return cycles;
}

/** The value which `share` of the numbers do not exceed. */
function percentile(numbers: number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

const paths = globSync("src/**/*.{ts,tsx}", { cwd: projectRoot }).toSorted();
const files = paths.map((path) => {
  const text = readFileSync(posix.join(projectRoot, path), "utf8");
  return parseSourceFile(path.replaceAll("\\", "/"), text);
});
const written = files.filter(isWritten);

/** The files that git tracks or would add. */
async function gitFiles(...patterns: string[]): Promise<string[]> {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ...patterns];
  const { code, stdout, stderr } = await run("git", args, { cwd: projectRoot });
  expect(code, stderr).toBe(0);
  const listed = stdout.split("\0").filter((path) => path !== "");
  return listed.filter((path) => existsSync(posix.join(projectRoot, path))).toSorted();
}

describe("the source files", () => {
  it("were all read: as many as git knows", async () => {
    expect(files.length).toBeGreaterThan(0);
    expect(paths).toEqual(await gitFiles("src/*.ts", "src/*.tsx"));
    expect(files.flatMap(({ imports }) => imports).length).toBeGreaterThan(0);
  });

  it.each<[string, Rule, SourceFile[]]>([
    ["lie in a room of the table", roomsAreKnown, files],
    ["import only the rooms below their own", importsFollowTheTable, files],
    ["import no adapter but in main.ts and providers/all.ts", adaptersAreSeenByTheirUsers, files],
    ["import each npm and node: package only in its home", packagesStayAtHome, written],
    ["need nothing but protobuf where they are generated", generatedCodeNeedsProtobufOnly, files],
    ["answer a chat without any node: module", answerIsPure, files],
    ["use neither Deno nor, outside of main.ts and cli, process", runtimesAreNotAsked, files],
    ["have names that say what is inside", namesSayWhatIsInside, written],
    ["lie at most three folders deep", foldersAreShallow, written],
    ["have at most 400 lines", filesAreShort, written],
    ["have functions of at most 70 lines", functionsFitAScreen, written],
  ])("%s", (_name, rule, subjects) => {
    expect(subjects.flatMap(rule)).toEqual([]);
  });

  it("import each other without a cycle", () => {
    expect(importCycles(files)).toEqual([]);
  });

  it("load nothing that a process does not need", () => {
    expect(packagesLoadedWith("src/main.ts")).toEqual([]);
    const ofConsumer = ["@bufbuild/protobuf", "@connectrpc/connect", "lmdb"];
    expect(packagesLoadedWith("src/main-consumer.ts")).toEqual(ofConsumer);
    const ofGateway = packagesLoadedWith("src/main-gateway.ts");
    expect(ofGateway).toEqual(expect.arrayContaining([...ofConsumer, "jose", "undici"]));
    for (const clientOfFleet of ["@clickhouse/client", "chdb", "ioredis", "kafkajs"]) {
      expect(Object.keys(packageHomes)).toContain(clientOfFleet);
      expect(ofGateway).not.toContain(clientOfFleet);
    }
  });

  it("are short on the whole: median 120 lines, nine of ten at most 300", () => {
    const lines = written.filter((file) => !/-data\.ts$/.test(file.path)).map((file) => file.lines);
    expect(percentile(lines, 0.5)).toBeLessThanOrEqual(120);
    expect(percentile(lines, 0.9)).toBeLessThanOrEqual(300);
  });

  it("have short functions on the whole: median 15 lines, nine of ten at most 40", () => {
    const lines = written.flatMap((file) => file.functions.map((one) => one.lines));
    expect(percentile(lines, 0.5)).toBeLessThanOrEqual(15);
    expect(percentile(lines, 0.9)).toBeLessThanOrEqual(40);
  });

  it("assert a type with `as` at most five times in a thousand lines", () => {
    const lines = written.reduce((sum, file) => sum + file.lines, 0);
    const assertions = written.reduce((sum, file) => sum + file.assertions, 0);
    const places = written.filter((file) => file.assertions > 0);
    const list = places.map((file) => `${file.path}: ${file.assertions}`).join("\n");
    const allowed = Math.ceil((lines * assertionsPerThousandLinesMax) / 1_000);
    expect(assertions, list).toBeLessThanOrEqual(allowed);
  });
});

describe("the rules of this test find", () => {
  const longFunction = `function long() {${"\n".repeat(functionLinesMax)}}`;
  it.each<[string, Rule, string, string]>([
    ["a file outside of all rooms", roomsAreKnown, "src/lib/a.ts", ""],
    ["an import upwards", importsFollowTheTable, "src/keys/a.ts", 'import "../chat/b.ts"'],
    ["a sibling", importsFollowTheTable, "src/keys/a.ts", 'export * from "../usage/b.ts"'],
    ["an import type", importsFollowTheTable, "src/gen/a.ts", 'type A = import("../cli/a.ts").A'],
    ["an adapter", adaptersAreSeenByTheirUsers, "src/usage/a.ts", 'import "./kafka.ts"'],
    [
      "an adapter's folder",
      adaptersAreSeenByTheirUsers,
      "src/chat/a.ts",
      'import("../providers/openai/a.ts")',
    ],
    ["a package away from home", packagesStayAtHome, "src/chat/a.ts", 'import "jose/jwt"'],
    ["a package without a home", packagesStayAtHome, "src/chat/a.ts", 'import "lodash"'],
    ["a socket", packagesStayAtHome, "src/gateway/a.ts", 'import { connect } from "node:net"'],
    [
      "a type of http",
      packagesStayAtHome,
      "src/chat/a.ts",
      'import type { Agent } from "node:http"',
    ],
    ["an import that is computed", packagesStayAtHome, "src/chat/a.ts", "import(name)"],
    ["an import without its ending", packagesStayAtHome, "src/chat/a.ts", 'import "./b"'],
    ["yaml in generated code", generatedCodeNeedsProtobufOnly, "src/gen/a.ts", 'import "yaml"'],
    ["a node: import in the answer", answerIsPure, "src/chat/answer.ts", 'import "node:fs"'],
    ["Deno", runtimesAreNotAsked, "src/main.ts", "Deno.exit()"],
    ["process", runtimesAreNotAsked, "src/chat/a.ts", "globalThis.process.exit()"],
    ["a name that says nothing", namesSayWhatIsInside, "src/chat/utils.ts", ""],
    ["a name in camel case", namesSayWhatIsInside, "src/chat/sendIt.ts", ""],
    ["a deep folder", foldersAreShallow, "src/a/b/c/d/e.ts", ""],
    ["a long file", filesAreShort, "src/chat/a.ts", "a;\n".repeat(fileLinesMax + 1)],
    ["a long function", functionsFitAScreen, "src/chat/a.ts", longFunction],
  ])("%s", (_name, rule, path, text) => {
    expect(rule(parseSourceFile(path, text))).toHaveLength(1);
  });

  it("a cycle of type-only imports", () => {
    const first = parseSourceFile("src/chat/a.ts", 'import type { B } from "./b.ts"');
    const second = parseSourceFile("src/chat/b.ts", 'import type { A } from "./a.ts"');
    expect(importCycles([first, second])).toEqual([
      "src/chat/a.ts → src/chat/b.ts → src/chat/a.ts",
    ]);
  });

  it.each<[string, Rule, string, string]>([
    [
      "a type of http",
      packagesStayAtHome,
      "src/gateway/a.ts",
      'import type { A } from "node:http"',
    ],
    [
      "a property named process",
      runtimesAreNotAsked,
      "src/chat/a.ts",
      "const a = { process: b.process }",
    ],
    [
      "an adapter's own file",
      adaptersAreSeenByTheirUsers,
      "src/usage/lmdb.ts",
      'import "./lmdb-key.ts"',
    ],
  ])("nothing wrong with %s", (_name, rule, path, text) => {
    expect(rule(parseSourceFile(path, text))).toEqual([]);
  });
});

describe("the files of the repository", () => {
  // Put together here, so that this file does not contain what it looks for.
  const folders = ["work", "root", "home/[a-z]", "Users/[A-Za-z]"].join("|");
  const machinePath = new RegExp(`(^|[\\s"'\`(=:])/(${folders})/`, "m");

  it("contain no path of the machine on which they were written", async () => {
    const all = await gitFiles();
    expect(all.length).toBeGreaterThan(0);
    const found = all.filter((path) => {
      const text = readFileSync(posix.join(projectRoot, path), "latin1");
      return machinePath.test(text);
    });
    expect(found).toEqual([]);
  });

  it("name no registry in the lockfile", () => {
    const lockfile = readFileSync(posix.join(projectRoot, "package-lock.json"), "utf8");
    const packages = Object.keys(JSON.parse(lockfile).packages);
    expect(packages.length).toBeGreaterThan(0);
    expect(lockfile).not.toContain('"resolved"');
  });
});
