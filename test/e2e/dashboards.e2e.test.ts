import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { debianTool } from "../setup/debian-tool.ts";
import { describeWith } from "../setup/describe-with.ts";
import { run } from "../setup/process.ts";
import { projectRoot } from "../setup/runtime.ts";
import { bearer } from "./doors.ts";
import { type Gateway, runOptamil, startGateway } from "./gateway.ts";
import { sendHttp1 } from "./rest-client.ts";

interface AlertRule {
  alert: string;
  expr: string;
  annotations: { summary: string; runbook: string };
}
interface Dashboard {
  panels: { id: number; title: string; targets: { expr?: string; rawSql?: string }[] }[];
}

const read = (path: string) => readFile(join(projectRoot, path), "utf8");
const alertsFile = "deploy/prometheus/alerts.yaml";
const rules: AlertRule[] = parse(await read(alertsFile)).groups.flatMap(
  ({ rules }: { rules: AlertRule[] }) => rules,
);
const readDashboard = async (name: string): Promise<Dashboard> =>
  JSON.parse(await read(`deploy/grafana/${name}.json`));
const gateways = await readDashboard("gateways");
const usage = await readDashboard("usage");
const fromConfiguration = ["optamil_telemetry_dropped_spans_total"];

/** The names of metrics in an expression, without what histograms add to theirs. */
function metricsIn(expression: string): string[] {
  const names = expression.match(/\b(optamil|gen_ai|process)_[a-z_]+(?=[^a-z_"=~])/g) ?? [];
  return names.filter((name) => !/^gen_ai_(provider_name|token_type)$/.test(name));
}

let gateway: Gateway;
let exposition = "";
beforeAll(async () => {
  gateway = await startGateway();
  const headers = bearer(gateway.key);
  const body = { model: "auto", messages: [{ role: "user", content: "hello" }] };
  await sendHttp1(gateway.url, { path: "/v1/chat/completions", body, headers });
  exposition = (await sendHttp1(gateway.url, { path: "/metrics", headers })).text;
});

function isShown(name: string): boolean {
  const family = name.replace(/_(bucket|sum|count)$/, "");
  return (
    exposition.includes(`# TYPE ${name} `) || exposition.includes(`# TYPE ${family} histogram`)
  );
}

describe("an alert rule", () => {
  it.each(rules)("$alert asks for metrics that a gateway shows", ({ expr }) => {
    const names = metricsIn(`${expr} `).filter((name) => !fromConfiguration.includes(name));
    expect(names.filter((name) => !isShown(name))).toEqual([]);
    expect(metricsIn(`${expr} `).length + Number(expr.startsWith("up"))).toBeGreaterThan(0);
  });

  it.each(rules)("$alert names a heading of the operators' guide", async ({ annotations }) => {
    const [file = "", anchor] = annotations.runbook.split("#");
    const headings = (await read(file)).match(/^#+ .+$/gm) ?? [];
    const anchors = headings.map((heading) =>
      heading
        .replace(/^#+ /, "")
        .toLowerCase()
        .replace(/[^\p{L}\p{N} -]/gu, "")
        .replaceAll(" ", "-"),
    );
    expect(anchors).toContain(anchor);
  });
});

describe("the dashboards", () => {
  it.each(gateways.panels)("ask for metrics that a gateway shows: $title", ({ targets }) => {
    const names = targets.flatMap(({ expr = "" }) => metricsIn(`${expr} `));
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !isShown(name))).toEqual([]);
  });

  it("ask the warehouse what it can answer", async () => {
    const statements = usage.panels.flatMap(({ targets }) => targets.map(({ rawSql }) => rawSql));
    expect(statements.length).toBeGreaterThan(4);
    for (const statement of statements) {
      const asked = await runOptamil(["sql", statement ?? ""], gateway.dataDirectory);
      expect({ statement, code: asked.code, stderr: asked.stderr }).toEqual({
        statement,
        code: 0,
        stderr: "",
      });
    }
  });

  it("number their panels apart", () => {
    for (const { panels } of [gateways, usage]) {
      expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    }
  });
});

await describeWith(
  "Prometheus' own tool",
  () => debianTool("promtool"),
  (promtool) => {
    it("takes the rules", async () => {
      const checked = await run(promtool, ["check", "rules", join(projectRoot, alertsFile)]);
      expect(checked.code, checked.stderr).toBe(0);
      expect(checked.stdout).toContain(`SUCCESS: ${rules.length} rules found`);
    });

    it("finds nothing wrong with what a gateway shows", async () => {
      const { stderr } = await run(promtool, ["check", "metrics"], { input: exposition });
      expect(stderr).toBe("");
    });
  },
);
