import { afterEach, describe, expect, it } from "vitest";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { parseConfig, SettingsError } from "../../src/platform/settings.ts";
import { type OpenProviders, openProviders } from "../../src/providers/all.ts";

const catalogue = createCatalogue([{ name: "my-model", tier: "budget" }]);
let opened: OpenProviders | undefined;

afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

function open(providers: unknown[], environment: Record<string, string> = {}): OpenProviders {
  const config = parseConfig(JSON.stringify({ providers }), "test.yaml");
  opened = openProviders(config.providers, {
    environment,
    catalogue,
    clock: systemClock,
    version: "1.2.3",
    connectTimeoutMs: 5_000,
    silenceTimeoutMs: 10_000,
  });
  return opened;
}

function problemsOf(providers: unknown[], environment: Record<string, string> = {}) {
  try {
    open(providers, environment);
  } catch (thrown) {
    if (thrown instanceof SettingsError) return thrown.problems;
    throw thrown;
  }
  return [];
}

describe("without a configuration", () => {
  it("and without a key the demo provider stands in for every model, and says so", () => {
    const { providers, deployments, notices } = open([]);
    expect([...providers.keys()]).toEqual(["demo"]);
    expect([...deployments.keys()]).toEqual(catalogue.models.map(({ name }) => name));
    expect([...deployments.values()].flat().some(({ live }) => live)).toBe(false);
    expect(notices).toEqual([expect.stringContaining("demo provider answers in place")]);
  });

  it("every preset with a key serves the catalogue's models of it, and nothing else", () => {
    const { providers, deployments, notices } = open([], {
      OPENAI_API_KEY: "k",
      GROQ_API_KEY: "k",
    });
    expect([...providers.keys()]).toEqual(["openai", "groq"]);
    const served = [...deployments.values()].flat();
    expect(served.every(({ live, weight }) => live && weight === 1)).toBe(true);
    expect(new Set(served.map(({ provider }) => provider))).toEqual(new Set(["openai", "groq"]));
    const expected = catalogue.models.filter(({ provider = "" }) => providers.has(provider));
    expect(deployments.size).toBe(expected.length);
    expect(notices).toEqual([]);
  });

  it.each(["ANTHROPIC_API_KEY", "GEMINI_API_KEY"])("%s makes its models live", (name) => {
    const { providers, deployments, notices } = open([], { [name]: "k", OPENAI_API_KEY: " " });
    const [provider = ""] = [...providers.keys()];
    expect(name.toLowerCase()).toMatch(new RegExp(`^${provider}_`));
    expect([...deployments.values()].flat().every(({ live }) => live)).toBe(true);
    expect(deployments.size).toBeGreaterThan(0);
    expect(notices).toEqual([]);
  });
});

describe("with a configuration", () => {
  it("only its providers serve, whatever keys there are", () => {
    const config = [{ name: "own", baseUrl: "http://127.0.0.1:9/v1", models: ["my-model"] }];
    const { providers, deployments } = open(config, { OPENAI_API_KEY: "k" });
    expect([...providers.keys()]).toEqual(["own"]);
    expect(deployments.get("my-model")).toEqual([
      { model: "my-model", provider: "own", upstreamModel: "my-model", weight: 1, live: true },
    ]);
    expect(deployments.size).toBe(1);
  });

  it("a model may have several deployments with names and weights of their own", () => {
    const baseUrl = "http://127.0.0.1:9/v1";
    const { deployments } = open([
      { name: "a", baseUrl, models: [{ name: "my-model", upstreamName: "mm-1", weight: 3 }] },
      { name: "b", baseUrl, relay: "normalised", models: ["my-model"] },
    ]);
    const rows = deployments.get("my-model")?.map((row) => [row.upstreamModel, row.weight]);
    expect(rows).toEqual([
      ["mm-1", 3],
      ["my-model", 1],
    ]);
  });

  it("a preset needs its name only", () => {
    const { deployments, notices } = open([{ name: "deepseek" }], { DEEPSEEK_API_KEY: "k" });
    expect(deployments.size).toBeGreaterThan(0);
    expect(notices).toEqual([]);
  });

  it("a preset at another address may go without a key", () => {
    const { providers } = open([{ name: "openai", baseUrl: "http://127.0.0.1:9/v1" }]);
    expect([...providers.keys()]).toEqual(["openai"]);
  });

  it("a demo provider serves every model, or those that it lists", () => {
    expect(open([{ name: "demo" }]).deployments.size).toBe(catalogue.models.length);
    const { deployments } = open([{ name: "x", kind: "demo", models: ["my-model"] }]);
    expect(deployments.get("my-model")?.[0]).toMatchObject({ provider: "x", live: false });
  });

  it("a provider that serves nothing is noticed", () => {
    const { notices } = open([{ name: "own", baseUrl: "http://127.0.0.1:9/v1" }]);
    expect(notices).toEqual([expect.stringContaining("'own' serves no model")]);
  });

  it("every mistake is told with its path", () => {
    const baseUrl = "http://127.0.0.1:9/v1";
    expect(
      problemsOf(
        [
          { name: "nobody", models: ["my-model"] },
          { name: "own", baseUrl, apiKeyEnv: "OWN_KEY", models: ["my-model", "no-model"] },
          { name: "own", baseUrl: "http://user:pass@127.0.0.1/v1", models: ["my-model"] },
          { name: "groq" },
          { name: "other", baseUrl, apiKeyEnv: "ODD_KEY", models: ["my-model"] },
        ],
        { ODD_KEY: "two words" },
      ),
    ).toEqual([
      "providers[0].baseUrl: is missing, and there is no preset called 'nobody'",
      "providers[1].apiKeyEnv: the variable OWN_KEY is not set",
      "providers[1].models[1]: there is no model 'no-model'; add it under models",
      "providers[2].name: another provider is called 'own' already",
      "providers[2].baseUrl: must be an http or https URL without user and password",
      "providers[3]: the variable GROQ_API_KEY is not set",
      "providers[4].apiKeyEnv: the key in ODD_KEY has characters that no header can carry",
    ]);
  });
});
