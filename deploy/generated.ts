// The files of this folder that come from the sources, so that they can be read and applied without the program.
import { toComposeProxy } from "./compose-proxy.ts";
import { toValuesSchema } from "./helm-values.ts";
import { toTableFiles } from "./tables.ts";
import { toTopicsScript } from "./topics.ts";

/** Their texts by their paths below deploy/. */
export function generated(): ReadonlyMap<string, string> {
  return new Map([
    ["helm/optamil/values.schema.json", `${JSON.stringify(toValuesSchema(), null, 2)}\n`],
    ["compose/envoy.yaml", toComposeProxy()],
    ["kafka/topics.sh", toTopicsScript()],
    ...toTableFiles().map(([name, text]) => [`clickhouse/${name}`, text] as const),
  ]);
}
