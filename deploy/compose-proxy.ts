// The proxy of the fleet in containers: deploy/envoy without TLS, on the port that compose.yaml shows to clients.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const head = `# In front of the gateways of compose.yaml: deploy/envoy/envoy.yaml without TLS, as 'npm run generate' writes it.
`;

/** The configuration. */
export function toComposeProxy(): string {
  const own = readFileSync(new URL("envoy/envoy.yaml", import.meta.url), "utf8");
  const changes: readonly [RegExp, string][] = [
    [/^(#.*\n)+/, head],
    [/( +- )transport_socket:[\s\S]*?\n +filters:/, "$1filters:"],
    [/port_value: 443/, "port_value: 8080"],
  ];
  return changes.reduce((text, [pattern, replacement]) => {
    assert(pattern.test(text), `deploy/envoy/envoy.yaml has ${pattern}`);
    return text.replace(pattern, replacement);
  }, own);
}
