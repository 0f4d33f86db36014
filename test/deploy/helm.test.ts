import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { loadSettings, type Settings } from "../../src/platform/settings.ts";
import { describeWith } from "../setup/describe-with.ts";
import { goProgram, goTool } from "../setup/go-tool.ts";
import { kubernetesSchemas, kubernetesVersions } from "../setup/kubernetes-schemas.ts";
import { run } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";
import {
  chart,
  find,
  type Manifest,
  parseManifests,
  placePod,
  podsOf,
  render,
  valueSets,
} from "./chart.ts";

const scratch = await mkdtemp(join(tmpdir(), "optamil-helm-"));
afterAll(() => rm(scratch, { recursive: true, force: true }));

const readYaml = async (file: string) => parse(await readFile(join(projectRoot, file), "utf8"));

describe("the Helm chart", () => {
  it("is of the program's version", async () => {
    const { version } = JSON.parse(await readFile(join(projectRoot, "package.json"), "utf8"));
    expect((await readYaml("deploy/helm/optamil/Chart.yaml")).appVersion).toBe(version);
  });
});

const tools = async () => {
  const [helm, kubeconform, schemas] = await Promise.all([
    goTool("helm"),
    goTool("kubeconform"),
    kubernetesSchemas(),
  ]);
  return { helm, kubeconform, schemas };
};

await describeWith("helm and kubeconform", tools, ({ helm, kubeconform, schemas }) => {
  const check = (version: string, input: string) => {
    // The operator's kinds are read by its own types below.
    const args = ["-strict", "-skip", "ServiceMonitor,PrometheusRule", "-schema-location", schemas];
    return run(kubeconform, [...args, "-kubernetes-version", version], { input });
  };

  describe.each([...valueSets])("with %s", (_name, values) => {
    it("lint finds nothing", async () => {
      const args = ["lint", "--strict", "--kube-version", "1.29.0", chart, ...values];
      const linted = await run(helm, args);
      expect(linted.code, linted.stdout).toBe(0);
      expect(linted.stdout).not.toMatch(/\[(WARNING|ERROR)\]/);
    });

    it.each(kubernetesVersions)("Kubernetes %s knows every field", async (version) => {
      const checked = await check(version, await render(helm, values));
      expect(checked.code, checked.stdout).toBe(0);
    });

    it("each process has a configuration that it takes", async () => {
      const manifests = parseManifests(await render(helm, values));
      const env = await environmentOf(manifests, "gateway");
      const checked = await run("node", ["src/main.ts", "config", "check"], { env });
      expect(checked.stdout, checked.stderr).toMatch(/^ok, version [0-9a-f]{12}\n/);
      // They never look at providers, nor at what only a gateway has mounted.
      for (const part of ["consumer", "migrate"]) {
        const { fleet, gatewayId } = await settingsOf(manifests, part);
        expect(fleet).toEqual((await settingsOf(manifests, "gateway")).fleet);
        expect(gatewayId).toBe(part === "migrate" ? "migrate" : "prod-consumer-0");
      }
    });

    it("a gateway has ten seconds more than its drain takes until it is killed", async () => {
      const manifests = parseManifests(await render(helm, values));
      const { limits } = await settingsOf(manifests, "gateway");
      const seconds = podsOf(manifests).get("gateway")?.terminationGracePeriodSeconds ?? 0;
      const drainMs = limits.drainDelayMs + limits.drainTimeoutMs;
      expect(seconds).toBe(Math.ceil(drainMs / 1_000) + 10);
    });

    it("no pod runs as root, writes to its root, has a privilege or a token, or hears of services", async () => {
      const pods = podsOf(parseManifests(await render(helm, values)));
      expect([...pods.keys()].toSorted()).toEqual(["consumer", "gateway", "migrate"]);
      for (const pod of pods.values()) {
        expect(pod.securityContext).toMatchObject({
          ...{ runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 },
          seccompProfile: { type: "RuntimeDefault" },
        });
        expect(pod.containers[0].securityContext).toEqual({
          ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
          capabilities: { drop: ["ALL"] },
        });
        expect(pod.automountServiceAccountToken).toBe(false);
        expect(pod.enableServiceLinks).toBe(false);
      }
    });

    it("each mount has its volume, and nothing is mounted into a volume", async () => {
      const manifests = parseManifests(await render(helm, values));
      for (const [part, { containers, volumes }] of podsOf(manifests)) {
        const claimed = part === "gateway" ? find(manifests, "StatefulSet").spec : {};
        const names = [
          ...volumes.map(({ name }) => name),
          ...(claimed.volumeClaimTemplates ?? []).map(({ metadata }) => metadata.name),
        ];
        const mounts = containers[0].volumeMounts;
        expect(mounts.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
        const paths = mounts.map(({ mountPath }) => mountPath);
        const inside = paths.filter((path) => paths.some((other) => path.startsWith(`${other}/`)));
        expect(inside).toEqual([]);
      }
    });

    it("every selector selects pods, and the migration's are no gateway's", async () => {
      const manifests = parseManifests(await render(helm, values));
      const labels = manifests.flatMap(({ spec }) =>
        spec?.template === undefined ? [] : [spec.template.metadata.labels],
      );
      const selectors = manifests.flatMap(({ kind, spec }) => {
        const selector = spec?.podSelector ?? spec?.selector;
        if (kind === "ServiceMonitor" || selector === undefined) return [];
        const { matchLabels } = selector;
        return [Object.entries(typeof matchLabels === "object" ? matchLabels : selector)];
      });
      expect(selectors.length).toBeGreaterThan(4);
      const counts = selectors.map(
        (selector) =>
          labels.filter((one) => selector.every(([key, value]) => one[key] === value)).length,
      );
      expect(counts.filter((count) => count !== 1 && count !== 3)).toEqual([]);
    });

    it("the migration needs nothing of the release that is not there before it", async () => {
      const manifests = parseManifests(await render(helm, values));
      const isHook = ({ metadata }: Manifest) =>
        metadata.annotations?.["helm.sh/hook"] !== undefined;
      const laterNames = manifests
        .filter((one) => !isHook(one))
        .map(({ metadata }) => metadata.name);
      const job = find(manifests, "Job");
      expect(isHook(job)).toBe(true);
      const pod = podsOf([job]).get("migrate");
      const needed = (pod?.volumes ?? []).map(
        ({ configMap, secret }) => configMap?.name ?? secret?.secretName ?? "",
      );
      expect(needed.filter((name) => laterNames.includes(name))).toEqual([]);
      expect(pod?.serviceAccountName).toBeUndefined();
    });
  });

  it("a field that Kubernetes does not know is found", async () => {
    const text = await render(helm, valueSets.get("all values") ?? []);
    for (const [good, bad] of [
      ["readOnlyRootFilesystem", "readonlyRootFilesystem"],
      ["backendRequest", "backendRequests"],
    ] as const) {
      const checked = await check("1.37.0", text.replaceAll(good, bad));
      expect(checked.code).toBe(1);
      expect(checked.stdout).toContain(`additional properties '${bad}' not allowed`);
    }
  });

  it("large and broken numbers reach the configuration as they are", async () => {
    const manifests = parseManifests(await render(helm, valueSets.get("all values") ?? []));
    const { plans, limits, fleet } = await settingsOf(manifests, "gateway");
    expect(plans[0]).toMatchObject({
      ...{ creditsPerMonthMicro: 123_456_789_250_000n, requestsPerMinute: 1_000_000 },
      tokensPerMinute: 1_000_000_000,
    });
    expect(limits.bodyBytesMax).toBe(33_554_432);
    expect(fleet?.kafka.partitions).toBe(48);
  });

  it("passwords, signing keys and providers' keys come from secrets that exist", async () => {
    const manifests = parseManifests(await render(helm, valueSets.get("all values") ?? []));
    expect(manifests.filter(({ kind }) => kind === "Secret")).toEqual([]);
    const { fleet } = await settingsOf(manifests, "consumer");
    expect(fleet?.kafka.sasl).toEqual({
      ...{ mechanism: "scram-sha-512", username: "optamil", password: "kafka-user/pass" },
    });
    expect(fleet?.clickhouse.password).toBe("clickhouse-user/password");
    expect(fleet?.redis.password).toBe("redis-user/password");
    const volumes = podsOf(manifests).get("gateway")?.volumes ?? [];
    const secrets = volumes.flatMap(({ secret }) => secret?.secretName ?? []);
    expect(secrets.toSorted()).toEqual(["providers", "signing"]);
    const others = podsOf(manifests).get("consumer")?.volumes ?? [];
    expect(others.flatMap(({ secret }) => secret ?? [])).toEqual([]);
  });

  it("keys given as values become secrets, and variables of gateways alone", async () => {
    const values = ["--set", "providerKeys.values.OPENAI_API_KEY=sk-1,signingKeys.value=keys"];
    const manifests = parseManifests(await render(helm, values));
    const secrets = manifests.filter(({ kind }) => kind === "Secret");
    expect(secrets.map(({ metadata }) => metadata.name).toSorted()).toEqual([
      "prod-optamil-migrate",
      "prod-optamil-provider-keys",
      "prod-optamil-signing-keys",
    ]);
    const from = [...podsOf(manifests)].map(([part, { containers }]) => [
      part,
      containers[0].envFrom?.map(({ secretRef }) => secretRef?.name),
    ]);
    expect(Object.fromEntries(from)).toEqual({
      ...{ consumer: undefined, migrate: undefined, gateway: ["prod-optamil-provider-keys"] },
    });
  });

  it("clients see the address of the Ingress, unless config.publicUrl names another", async () => {
    const publicUrl = async (values: string) =>
      (await settingsOf(parseManifests(await render(helm, ["--set", values])), "gateway"))
        .publicUrl;
    expect(await publicUrl("ingress.enabled=true,ingress.host=ai.example.org")).toBe(
      "http://ai.example.org",
    );
    expect(await publicUrl("ingress.enabled=true,ingress.host=a.example,ingress.tlsSecret=t")).toBe(
      "https://a.example",
    );
    const named = "ingress.enabled=true,config.publicUrl=https://b.example";
    expect(await publicUrl(named)).toBe("https://b.example");
  });

  it("the values of its README are taken", async () => {
    const readme = await readFile(join(chart, "README.md"), "utf8");
    const [, values = ""] = /--values - <<END\n([\s\S]+?)\nEND\n/.exec(readme) ?? [];
    const file = join(scratch, "readme.yaml");
    await writeFile(file, values);
    const manifests = parseManifests(await render(helm, ["--values", file]));
    expect((await settingsOf(manifests, "gateway")).fleet?.kafka.brokers).toHaveLength(3);
    const image = podsOf(manifests).get("gateway")?.containers[0].image;
    expect(image).toBe("registry.example.org/optamil:0.1.0");
  });

  it("a gateway has as many workers as it is told, and others have none", async () => {
    const manifests = parseManifests(await render(helm, ["--set", "gateway.workers=3"]));
    const argsOf = (part: string) => podsOf(manifests).get(part)?.containers[0].args;
    expect(argsOf("gateway")).toEqual(["gateway", "--workers", "3"]);
    expect(argsOf("consumer")).toEqual(["consumer"]);
  });

  it("pods are made anew when a setting needs it, and only then", async () => {
    const checksum = async (...values: string[]) => {
      const manifests = parseManifests(await render(helm, values));
      const { template } = find(manifests, "StatefulSet").spec;
      return template?.metadata.annotations?.["checksum/config"];
    };
    const before = await checksum();
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    expect(await checksum("--set", "config.providers[0].name=openai")).toBe(before);
    expect(await checksum("--set-json", "config.router.quality=0.5")).toBe(before);
    expect(await checksum("--set", "config.limits.idleTimeoutMs=70000")).not.toBe(before);
  });

  it("the network policy lets out to the ports that the configuration names", async () => {
    const manifests = parseManifests(await render(helm, valueSets.get("all values") ?? []));
    const [dns, named, extra] = find(manifests, "NetworkPolicy").spec.egress ?? [];
    const ports = (rule: typeof dns) => new Set(rule?.ports.map(({ port }) => port));
    expect(ports(dns)).toEqual(new Set([53]));
    expect(ports(named)).toEqual(new Set([443, 4318, 6380, 8000, 8443, 9093, 9094]));
    expect(ports(extra)).toEqual(new Set([4000]));
  });

  it("an autoscaler has the replicas to itself", async () => {
    const manifests = parseManifests(await render(helm, valueSets.get("all values") ?? []));
    expect(find(manifests, "StatefulSet").spec.replicas).toBeUndefined();
    expect(find(manifests, "HorizontalPodAutoscaler").metadata.name).toBe("ai-gateway");
  });

  it("its package has the alerts and dashboards themselves, not links to them", async () => {
    const packed = await run(helm, ["package", chart, "--destination", scratch]);
    expect(packed.code, packed.stderr).toBe(0);
    const values = valueSets.get("all values") ?? [];
    const archive = join(scratch, "optamil-0.1.0.tgz");
    expect(await render(helm, values, archive)).toBe(await render(helm, values));
  });

  it("the rules and dashboards are those of deploy/", async () => {
    const manifests = parseManifests(await render(helm, valueSets.get("all values") ?? []));
    const rule = find(manifests, "PrometheusRule");
    expect(rule.spec).toEqual(await readYaml("deploy/prometheus/alerts.yaml"));
    const { data = {} } = find(manifests, "ConfigMap", "-dashboards");
    for (const name of ["gateways", "usage"]) {
      const file = join(projectRoot, `deploy/grafana/${name}.json`);
      expect(JSON.parse(data[`optamil-${name}.json`] ?? "")).toEqual(
        JSON.parse(await readFile(file, "utf8")),
      );
    }
  });

  it("metrics have the job that the alerts look for, whatever the release is called", async () => {
    const manifests = parseManifests(await render(helm, valueSets.get("all values") ?? []));
    const [endpoint] = find(manifests, "ServiceMonitor").spec.endpoints ?? [];
    expect(endpoint?.relabelings).toEqual([
      { action: "replace", targetLabel: "job", replacement: "optamil" },
    ]);
  });

  it.each([
    [
      "config.kafka.brokers[0]=kafka",
      "at '/config/kafka/brokers/0': 'kafka' does not match pattern",
    ],
    ["config.redis=null", "at '/config': missing property 'redis'"],
    ["config.brokers=1", "at '/config': additional properties 'brokers' not allowed"],
    ["config.port=80", "at '/config': additional properties 'port' not allowed"],
    [
      "config.limits.drainTimeoutMs=soon",
      "at '/config/limits/drainTimeoutMs': got string, want integer",
    ],
    ["config.durability=often", "at '/config/durability': value must be one of"],
    ["config.providers[0].kind=openai", "at '/config/providers/0': missing property 'name'"],
    ["replicas=3", "at '': additional properties 'replicas' not allowed"],
    ["gateway.replicas=0", "at '/gateway/replicas': minimum: got 0, want 1"],
    ["gateway.persistence.size=lots", "at '/gateway/persistence/size': 'lots' does not match"],
    ["signingKeys.existingSecret=", "at '/signingKeys/existingSecret': minLength: got 0, want 1"],
    ["image.repository=", "at '/image/repository': minLength: got 0, want 1"],
    ["providerKeys.as=file", "at '/providerKeys/as': value must be one of 'environment', 'files'"],
    [
      "gateway.persistence.enabled=false,config.durability=fsync",
      "gateway.persistence.enabled: false needs config.durability: quorum",
    ],
    [
      "credentials.kafka.existingSecret=kafka",
      "credentials.kafka: there is no config.kafka.sasl; give it a mechanism and a username",
    ],
  ])("the value %s is refused: %s", async (value, message) => {
    await expect(render(helm, ["--set", value])).rejects.toThrow(message);
  });
});

const monitoring = async () => ({
  helm: await goTool("helm"),
  reader: await goProgram(join(projectRoot, "test/deploy/monitoring")),
});

await describeWith("the Prometheus operator's types", monitoring, ({ helm, reader }) => {
  it.each(["ServiceMonitor", "PrometheusRule"])("know every field of the %s", async (kind) => {
    const manifests = parseManifests(await render(helm, valueSets.get("all values") ?? []));
    const manifest = find(manifests, kind);
    const read = await run(reader, [kind], { input: JSON.stringify(manifest) });
    expect(read.code, read.stderr).toBe(0);
    const odd = { ...manifest, spec: { ...manifest.spec, nope: 1 } };
    const refused = await run(reader, [kind], { input: JSON.stringify(odd) });
    expect(refused.stderr).toContain('unknown field "nope"');
  });
});

async function environmentOf(manifests: readonly Manifest[], part: string) {
  const folder = await mkdtemp(join(scratch, `${part}-`));
  return (await placePod(manifests, part, folder)).environment;
}

async function settingsOf(manifests: readonly Manifest[], part: string): Promise<Settings> {
  return loadSettings(await environmentOf(manifests, part));
}
