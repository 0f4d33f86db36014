// The schema of the Helm chart's values: what Helm says of bad ones before anything is made in a cluster.
import assert from "node:assert/strict";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { createSchemas } from "../src/gateway/openapi-schema.ts";
import { ConfigSchema } from "../src/gen/optamil/config/v1/config_pb.ts";

/** Fields of the configuration that the chart decides. */
const chartsOwn: readonly string[] = [
  ...["host", "port", "data", "metrics", "gatewayId", "signingKeys"],
];

const text = { type: "string" };
const name = { type: "string", minLength: 1 };
const flag = { type: "boolean" };
const count = (minimum: number, maximum = 1_000_000) => ({ type: "integer", minimum, maximum });
const size = { type: "string", pattern: "^[0-9]+(\\.[0-9]+)?([KMGTPE]i?)?$" };
/** What Kubernetes describes itself, and checks when it is made. */
const object = { type: "object" };
const objects = { type: "array", items: object };
const texts = { type: "object", additionalProperties: { type: "string" } };
const oneOf = (...words: string[]) => ({ enum: words });
const claims = oneOf("Retain", "Delete");

/** An object of these keys and no others. */
function only(properties: Record<string, JsonObject>): JsonObject {
  return { type: "object", properties, additionalProperties: false };
}

const budget = only({
  enabled: flag,
  maxUnavailable: {
    anyOf: [count(1, 1_000), { type: "string", pattern: "^[1-9][0-9]?%$|^100%$" }],
  },
});
const secret = only({ existingSecret: text, key: name });
const pod = {
  resources: object,
  ...{ podAnnotations: texts, podLabels: texts, nodeSelector: texts },
  ...{ tolerations: objects, affinity: object, priorityClassName: text },
  ...{
    extraEnv: objects,
    extraEnvFrom: objects,
    extraVolumes: objects,
    extraVolumeMounts: objects,
  },
};

const values = only({
  global: object,
  nameOverride: text,
  fullnameOverride: text,
  image: only({
    repository: name,
    tag: text,
    digest: { type: "string", pattern: "^(sha256:[0-9a-f]{64})?$" },
    pullPolicy: oneOf("Always", "IfNotPresent", "Never"),
  }),
  imagePullSecrets: objects,
  config: { $ref: "#/definitions/Config" },
  listenAddress: name,
  signingKeys: {
    ...only({ existingSecret: text, key: name, value: text }),
    // An empty one of both would be noticed when pods do not start.
    anyOf: [
      { properties: { existingSecret: { minLength: 1 } } },
      { properties: { value: { minLength: 1 } } },
    ],
  },
  providerKeys: only({ existingSecret: text, as: oneOf("environment", "files"), values: texts }),
  credentials: only({ kafka: secret, clickhouse: secret, redis: secret }),
  gateway: only({
    replicas: count(1, 1_000),
    workers: count(1, 64),
    imageTag: text,
    persistence: only({
      ...{ enabled: flag, size, storageClass: text, whenDeleted: claims, whenScaled: claims },
    }),
    autoscaling: only({
      ...{ enabled: flag, minReplicas: count(1, 1_000), maxReplicas: count(1, 1_000) },
      targetCPUUtilizationPercentage: count(1, 100),
      scaleDownStabilizationSeconds: count(0, 3_600),
    }),
    podDisruptionBudget: budget,
    topologySpreadConstraints: objects,
    ...pod,
  }),
  consumer: only({
    ...{ replicas: count(1, 1_000), imageTag: text, podDisruptionBudget: budget },
    topologySpreadConstraints: objects,
    ...pod,
  }),
  migrate: only({
    enabled: flag,
    hook: oneOf("pre-install,pre-upgrade", "post-install,pre-upgrade"),
    ...{
      backoffLimit: count(0),
      activeDeadlineSeconds: count(1),
      ttlSecondsAfterFinished: count(0),
    },
    ...pod,
  }),
  service: only({
    type: oneOf("ClusterIP", "NodePort", "LoadBalancer"),
    ...{ port: count(1, 65_535), grpcPort: count(1, 65_535), annotations: texts },
  }),
  serviceAccount: only({ create: flag, name: text, annotations: texts }),
  podSecurityContext: object,
  securityContext: object,
  ingress: only({
    ...{ enabled: flag, className: text, host: name, tlsSecret: text, annotations: texts },
    grpc: only({ enabled: flag, host: name, tlsSecret: text, annotations: texts }),
  }),
  gatewayApi: only({
    enabled: flag,
    parentRefs: objects,
    hostnames: { type: "array", items: name },
  }),
  networkPolicy: only({ enabled: flag, clients: objects, monitors: objects, extraEgress: objects }),
  serviceMonitor: only({
    enabled: flag,
    interval: { type: "string", pattern: "^[0-9]+(ms|s|m)$" },
    labels: texts,
  }),
  prometheusRule: only({ enabled: flag, labels: texts }),
  dashboards: only({ enabled: flag, labels: texts }),
});

/** The chart's values.schema.json, whose part for `config` comes from the configuration's own description. */
export function toValuesSchema(): JsonObject {
  const schemas = createSchemas([ConfigSchema]);
  schemas.refer(ConfigSchema);
  const definitions = toDefinitions(schemas.components);
  const { Config, SaslConfig } = definitions;
  assert(isObject(Config) && isObject(Config["properties"]) && isObject(SaslConfig));
  for (const field of chartsOwn) delete Config["properties"][field];
  Config["required"] = ["kafka", "clickhouse", "redis"];
  // Where the chart has a secret for it, it names the variable.
  SaslConfig["required"] = ["mechanism", "username"];
  // Helm 3 before 3.18 knows no newer draft.
  return { $schema: "http://json-schema.org/draft-07/schema#", ...values, definitions };
}

/** Schemas of OpenAPI as definitions; without null, which in values of Helm takes a default away and is gone then. */
function toDefinitions(components: JsonObject): JsonObject {
  const json = JSON.stringify(components, (_key, value: JsonValue) => withoutNull(value));
  return JSON.parse(json.replaceAll("#/components/schemas/", "#/definitions/"));
}

function withoutNull(value: JsonValue): JsonValue {
  if (!isObject(value)) return value;
  const { anyOf, type, ...others } = value;
  if (Array.isArray(type))
    return { type: type.filter((one) => one !== "null")[0] ?? "null", ...others };
  if (!Array.isArray(anyOf)) return value;
  const kept = anyOf.filter((one) => !isObject(one) || one["type"] !== "null");
  const [only] = kept;
  return kept.length === 1 && isObject(only) ? { ...only, ...others } : { ...value, anyOf: kept };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
