/** Strict JSON Schemas of the kinds of Kubernetes, and of the Gateway API's, for kubeconform. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { cached } from "./cache.ts";
import { goModule } from "./go-tool.ts";
import { installPython } from "./python-packages.ts";

/** The oldest release of Kubernetes that the chart is for, and the newest that is known. */
export const kubernetesVersions = ["1.29.0", "1.37.0"] as const;

// Made from the OpenAPI documents of Kubernetes' releases.
const schemasPackage = "kubernetes-validate==1.37.0";
const gatewayApiModule = "sigs.k8s.io/gateway-api@v1.6.3";
const gatewayApiKinds = ["httproutes", "grpcroutes"];
const metaSchema = "https://json-schema.org/draft/2020-12/schema";

type Schema = { [key: string]: unknown };

/** Where kubeconform finds a kind's schema: its `-schema-location`. Throws `MissingToolError`. */
export async function kubernetesSchemas(): Promise<string> {
  const key = `kubernetes-schemas/${[schemasPackage, gatewayApiModule, ...kubernetesVersions].join("-").replaceAll(/[^\w.-]/g, "_")}`;
  const folder = await cached(key, async (temporary) => {
    const installed = await installPython("kubernetes-schemas", [schemasPackage]);
    const source = join(installed, "kubernetes_validate/kubernetes-json-schema");
    const routes = await gatewayApiSchemas();
    for (const version of kubernetesVersions) {
      const target = join(temporary, `v${version}-strict`);
      await mkdir(target);
      const file = join(source, `v${version}-local-strict/_definitions.json`);
      const kinds = coreSchemas(JSON.parse(await readFile(file, "utf8")));
      for (const [name, schema] of [...kinds, ...routes]) {
        await writeFile(join(target, `${name}.json`), JSON.stringify(schema));
      }
    }
  });
  return join(
    folder,
    "{{.NormalizedKubernetesVersion}}{{.StrictSuffix}}/{{.ResourceKind}}{{.KindSuffix}}.json",
  );
}

/** Each kind by itself, with the definitions that it refers to: kubeconform follows no reference to another file. */
function coreSchemas({ $defs }: { $defs: Record<string, Schema> }): [string, Schema][] {
  return Object.entries($defs).flatMap(
    ([definition, { "x-kubernetes-group-version-kind": of }]) => {
      const [kind, ...others] = (of ?? []) as { group: string; kind: string; version: string }[];
      if (kind === undefined || others.length > 0 || kind.kind.endsWith("List")) return [];
      const needed = new Set<string>();
      collect(definition, $defs, needed);
      const schema = {
        $schema: metaSchema,
        $ref: `#/$defs/${definition}`,
        $defs: Object.fromEntries([...needed].map((name) => [name, $defs[name]])),
      };
      return [[fileOf(kind), schema]];
    },
  );
}

function collect(definition: string, all: Record<string, Schema>, found: Set<string>): void {
  if (found.has(definition)) return;
  found.add(definition);
  for (const [, name = ""] of JSON.stringify(all[definition]).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
    collect(name, all, found);
  }
}

async function gatewayApiSchemas(): Promise<[string, Schema][]> {
  const folder = join(await goModule(gatewayApiModule), "config/crd/standard");
  return Promise.all(
    gatewayApiKinds.map(async (plural): Promise<[string, Schema]> => {
      const file = join(folder, `gateway.networking.k8s.io_${plural}.yaml`);
      const { spec } = parse(await readFile(file, "utf8"));
      const { schema } = spec.versions.find(({ name }: { name: string }) => name === "v1");
      const { metadata, ...properties } = schema.openAPIV3Schema.properties;
      const strict = toStrict({ ...schema.openAPIV3Schema, properties }) as Schema;
      // Of the metadata a definition says nothing: it is checked in all other kinds.
      Object.assign(strict["properties"] as Schema, { metadata });
      const kind = { group: spec.group, kind: spec.names.kind, version: "v1" };
      return [fileOf(kind), { $schema: metaSchema, ...strict }];
    }),
  );
}

/** As a server takes it that refuses unknown fields. */
function toStrict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toStrict);
  if (typeof value !== "object" || value === null) return value;
  const strict = Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, toStrict(one)]),
  );
  const isOpen = "additionalProperties" in strict || !("properties" in strict);
  return isOpen || strict["type"] !== "object"
    ? strict
    : { ...strict, additionalProperties: false };
}

function fileOf({
  group,
  kind,
  version,
}: {
  group: string;
  kind: string;
  version: string;
}): string {
  const [first] = group.split(".");
  return [kind, first, version].filter(Boolean).join("-").toLowerCase();
}
