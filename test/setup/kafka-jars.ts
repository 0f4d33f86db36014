/** The jars of Apache Kafka from Maven Central, and the Java that runs them. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cached } from "./cache.ts";
import { debianTool } from "./debian-tool.ts";
import { MissingToolError } from "./missing-tool.ts";
import { run } from "./process.ts";

/** What runs a Kafka program: `java`, the arguments before its class, and the archive of its classes. */
export interface KafkaJars {
  java: string;
  /** Arguments of every Kafka program: its class path and a small heap. */
  args: readonly string[];
  /** Tells jars and Java of one machine from others. */
  tag: string;
}

const pom = fileURLToPath(new URL("kafka/pom.xml", import.meta.url));
const what = "Apache Kafka";
const javaMin = 17;
const mavenTimeoutMs = 600_000;

/** One compiler, no parallel collector, and little of everything: a broker takes some 160 MB. */
const smallJvm = [
  "-Xms192m",
  "-Xmx192m",
  "-Xss512k",
  "-XX:+UseSerialGC",
  "-XX:TieredStopAtLevel=1",
  "-XX:MaxDirectMemorySize=64m",
  "-XX:ReservedCodeCacheSize=64m",
  "-Djava.awt.headless=true",
];

/** The jars, fetched on first use. Throws `MissingToolError`. */
export async function kafkaJars(): Promise<KafkaJars> {
  const java = await debianTool("java");
  const version = await javaVersion(java);
  const source = await readFile(pom, "utf8");
  const folder = await cached(`kafka/jars-${hash(source)}`, fetchJars);
  const args = [...smallJvm, "-cp", join(folder, "*")];
  return { java, args, tag: hash(`${folder} ${version} ${args.join(" ")}`) };
}

async function javaVersion(java: string): Promise<string> {
  const { stderr } = await run(java, ["-version"]).catch((error: unknown) => ({
    stderr: String(error),
  }));
  if (Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0) >= javaMin) return stderr;
  throw new MissingToolError(
    what,
    `java -version: ${stderr}`,
    `install Java ${javaMin} or newer and put it on PATH`,
  );
}

async function fetchJars(folder: string): Promise<void> {
  const maven = await debianTool("mvn");
  const goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"];
  const args = ["-B", "-q", "-f", pom, ...goal, `-DoutputDirectory=${folder}`];
  const fetched = await run(maven, args, { timeoutMs: mavenTimeoutMs }).catch((error: unknown) => ({
    code: null,
    stdout: String(error),
    stderr: "",
  }));
  if (fetched.code === 0) return;
  // Of Maven's many last lines of advice, the first error says what is wrong.
  const [reason] = /^\[ERROR\].*$/m.exec(fetched.stdout) ?? [fetched.stdout + fetched.stderr];
  const remedy = "give mvn access to Maven Central, or a mirror in ~/.m2/settings.xml";
  throw new MissingToolError(what, reason, remedy);
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
