/** Reads what a gateway shows on /metrics, and refuses what Prometheus' text format 0.0.4 does not allow. */

/** Samples by their name with the labels as they stand: `up{job="x"}`. */
export type Samples = ReadonlyMap<string, number>;

const helpOrType = /^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)$/;
const sample =
  /^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_][a-z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)$/;

/** The samples of an exposition. Throws at the first line that is not one. */
export function parseExposition(text: string): Samples {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  for (const line of text.slice(0, -1).split("\n")) {
    const head = helpOrType.exec(line);
    if (head) {
      const [, kind, name = "", rest = ""] = head;
      if (kind === "TYPE" && types.has(name)) throw new Error(`a second type of ${name}`);
      if (kind === "TYPE") types.set(name, rest);
      continue;
    }
    const [, name = "", labels = "", value] = sample.exec(line) ?? [];
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, "");
    if (!types.has(family)) throw new Error(`no sample: ${line}`);
    if (samples.has(name + labels)) throw new Error(`twice: ${name}${labels}`);
    samples.set(name + labels, Number(value));
  }
  return samples;
}

/** The names of the labels in use. */
export function labelNames(samples: Samples): string[] {
  const names = [...samples.keys()].flatMap((key) =>
    [...key.matchAll(/[{,]([a-z_]+)="/g)].map(([, name = ""]) => name),
  );
  return [...new Set(names)].toSorted();
}
