/** Renders the Helm chart, and reads what pods it makes. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { run } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";

/** The chart's folder. */
export const chart = join(projectRoot, "deploy/helm/optamil");

/** What can be set together: as it comes, the least, and all of it. */
export const valueSets: ReadonlyMap<string, readonly string[]> = new Map([
  ["no values", []],
  ["minimal values", ["--values", join(chart, "ci/minimal-values.yaml")]],
  ["all values", ["--values", join(chart, "ci/everything-values.yaml")]],
]);

type Named = { readonly name: string };
type Labels = Readonly<Record<string, string>>;

/** How Kubernetes asks a container. */
type Probe = { readonly httpGet: { readonly path: string; readonly port: string } };

/** A variable of a container. */
export type Variable = Named & {
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: Named & { readonly key: string };
    readonly fieldRef?: { readonly fieldPath: string };
  };
};

/** As much of a pod as tests look at. */
export type Pod = {
  readonly automountServiceAccountToken: boolean;
  readonly enableServiceLinks: boolean;
  readonly serviceAccountName?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly containers: readonly [
    {
      readonly args: readonly string[];
      readonly image: string;
      readonly env: readonly Variable[];
      readonly envFrom?: readonly { readonly secretRef?: Named }[];
      readonly securityContext: Readonly<Record<string, unknown>>;
      readonly startupProbe?: Probe;
      readonly readinessProbe?: Probe;
      readonly volumeMounts: readonly (Named & { readonly mountPath: string })[];
    },
  ];
  readonly volumes: readonly (Named & {
    readonly configMap?: Named;
    readonly secret?: {
      readonly secretName: string;
      readonly items?: readonly { readonly key: string; readonly path: string }[];
    };
    readonly emptyDir?: object;
  })[];
};

/** As much of an object of Kubernetes as tests look at. */
export type Manifest = {
  readonly kind: string;
  readonly metadata: Named & { readonly annotations?: Labels; readonly labels: Labels };
  readonly data?: Labels;
  readonly stringData?: Labels;
  readonly spec: {
    readonly replicas?: number;
    /** Labels as such in a Service, below `matchLabels` elsewhere. */
    readonly selector?: Readonly<Record<string, string | Labels>>;
    readonly podSelector?: { readonly matchLabels: Labels };
    readonly template?: {
      readonly metadata: { readonly labels: Labels; readonly annotations?: Labels };
      readonly spec: Pod;
    };
    readonly volumeClaimTemplates?: readonly { readonly metadata: Named }[];
    readonly egress?: readonly { readonly ports: readonly { readonly port: number }[] }[];
    readonly endpoints?: readonly { readonly relabelings: readonly Labels[] }[];
  };
};

/** What `helm template` prints. Throws with what it says where it refuses the values. */
export async function render(
  helm: string,
  values: readonly string[],
  from = chart,
): Promise<string> {
  const args = ["template", "prod", from, "--kube-version", "1.29.0", ...values];
  const { code, stdout, stderr } = await run(helm, args);
  if (code === 0) return stdout;
  throw new Error(stderr);
}

/** The objects of such a text. */
export function parseManifests(text: string): readonly Manifest[] {
  return parseAllDocuments(text).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
}

/** The objects that make pods, each with its pod. */
export function podsOf(manifests: readonly Manifest[]): ReadonlyMap<string, Pod> {
  return new Map(
    manifests.flatMap(({ spec }) => {
      const pod = spec?.template?.spec;
      return pod === undefined ? [] : [[pod.containers[0].args[0] ?? "", pod]];
    }),
  );
}

/**
 * Puts the volumes of a pod below a folder, and gives what its container is called with. Paths lead into the folder;
 * secrets that the chart does not make hold their own names.
 */
export async function placePod(manifests: readonly Manifest[], part: string, folder: string) {
  const pod = podsOf(manifests).get(part);
  if (pod === undefined) throw new Error(`there is no pod of ${part}`);
  const [container] = pod.containers;
  for (const { name, mountPath } of container.volumeMounts) {
    const target = join(folder, mountPath);
    await mkdir(target, { recursive: true });
    const volume = pod.volumes.find((one) => one.name === name);
    for (const [file, text] of filesOf(manifests, volume)) {
      const placed = text.replaceAll(/(?<=\s)\/(?=data$|etc\/optamil\/)/gm, `${folder}/`);
      await writeFile(join(target, file), placed, { mode: 0o440 });
    }
  }
  const env = container.env.map(({ name, value, valueFrom }) => {
    const { secretKeyRef: secret } = valueFrom ?? {};
    const text = value ?? (secret ? `${secret.name}/${secret.key}` : `prod-${part}-0`);
    return [name, text.startsWith("/") ? join(folder, text) : text];
  });
  const environment: Record<string, string> = Object.fromEntries(env);
  return { pod, args: container.args, environment };
}

function filesOf(manifests: readonly Manifest[], volume: Pod["volumes"][number] | undefined) {
  const { configMap, secret } = volume ?? {};
  const named = (kind: string, name: string) =>
    manifests.find((one) => one.kind === kind && one.metadata.name === name);
  if (configMap !== undefined)
    return Object.entries(named("ConfigMap", configMap.name)?.data ?? {});
  if (secret === undefined) return [];
  const { secretName, items = [{ key: "OPENAI_API_KEY", path: "OPENAI_API_KEY" }] } = secret;
  const texts = named("Secret", secretName)?.stringData;
  return items.map(({ key, path }) => [path, texts?.[key] ?? `${secretName}/${key}`] as const);
}

/** The only one of that kind whose name ends so. Throws if there is none. */
export function find(manifests: readonly Manifest[], kind: string, ending = ""): Manifest {
  const found = manifests.filter((one) => one.kind === kind && one.metadata.name.endsWith(ending));
  if (found.length === 1 && found[0] !== undefined) return found[0];
  throw new Error(`${found.length} of ${kind} ${ending}`);
}
