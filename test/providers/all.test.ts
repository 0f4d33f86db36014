import { afterEach, describe, expect, it } from "vitest";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { systemClock } from "../../src/platform/clock.ts";
import { parseConfig, SettingsError } from "../../src/platform/settings.ts";
import type { FileContents } from "../../src/platform/watched-files.ts";
import { type OpenProviders, openProviders, planProviders } from "../../src/providers/all.ts";

const catalogue = createCatalogue([{ name: "my-model", tier: "budget" }]);
let opened: OpenProviders | undefined;

afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

function open(
  providers: unknown[],
  environment: Record<string, string> = {},
  keyFiles: FileContents = new Map(),
  previous?: OpenProviders,
): OpenProviders {
  const config = parseConfig(JSON.stringify({ providers }), "test.yaml");
  const surroundings = {
    environment,
    keyFiles,
    onTrouble: () => {},
    catalogue,
    clock: systemClock,
    version: "1.2.3",
    connectTimeoutMs: 5_000,
    silenceTimeoutMs: 10_000,
  };
  opened = openProviders(config.providers, surroundings, previous);
  return opened;
}

function problemsOf(
  providers: unknown[],
  environment: Record<string, string> = {},
  keyFiles: FileContents = new Map(),
) {
  try {
    open(providers, environment, keyFiles);
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

  it("a provider serves its embedding models beside its chat models, or those that it lists", () => {
    const { deployments, embeddings } = open([], { OPENAI_API_KEY: "k" });
    expect(embeddings.get("text-embedding-3-small")).toMatchObject([{ provider: "openai" }]);
    expect([...embeddings.keys()].filter((name) => deployments.has(name))).toEqual([]);
    const demo = open([]).embeddings;
    expect([...demo.keys()]).toEqual(catalogue.embeddingModels.map(({ name }) => name));
    const models = [{ name: "bge-m3", upstreamName: "bge-m3:latest" }];
    const own = open([{ name: "own", baseUrl: "http://127.0.0.1:9/v1", models }]);
    expect(own.deployments.size).toBe(0);
    expect(own.embeddings.get("bge-m3")).toMatchObject([{ upstreamModel: "bge-m3:latest" }]);
    expect(own.notices).toEqual([]);
  });

  it("Anthropic's API cannot be given an embedding model", () => {
    const baseUrl = "http://127.0.0.1:9/v1";
    expect(problemsOf([{ name: "a", kind: "anthropic", baseUrl, models: ["bge-m3"] }])).toEqual([
      "providers[0].models[0]: 'bge-m3' makes embeddings, which the API of kind anthropic does not have",
    ]);
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

describe("a key in a file", () => {
  const baseUrl = "http://127.0.0.1:9/v1";
  const lab = { name: "lab", baseUrl, models: ["my-model"], apiKeyFile: "/run/lab-key" };
  const holding = (text: string): FileContents => new Map([["/run/lab-key", { text }]]);

  it("is the text of the file without the space around it", () => {
    const [plan] = planOf([lab], holding(" file-key\n")).providers;
    expect(plan?.apiKey).toBe("file-key");
  });

  it("goes before a preset's variable", () => {
    const [plan] = planOf([{ ...lab, name: "openai" }], holding("file-key")).providers;
    expect(plan?.apiKey).toBe("file-key");
  });

  it.each<[string, FileContents, string]>([
    [
      "that is not there",
      new Map([["/run/lab-key", { problem: "gone" }]]),
      "cannot read /run/lab-key: gone",
    ],
    ["that is empty", holding(" \n"), "the file /run/lab-key is empty"],
    [
      "of two lines",
      holding("se\ncret"),
      "the key in /run/lab-key has characters that no header can carry",
    ],
    [
      "that is a whole book",
      holding("s".repeat(16_385)),
      "the key in /run/lab-key is longer than 16384 characters",
    ],
  ])("%s is a mistake, told without what it holds", (_name, keyFiles, problem) => {
    expect(problemsOf([lab], {}, keyFiles)).toEqual([`providers[0].apiKeyFile: ${problem}`]);
  });

  it("and one in a variable are one too many", () => {
    expect(problemsOf([{ ...lab, apiKeyEnv: "K" }], { K: "k" }, holding("file-key"))).toEqual([
      "providers[0].apiKeyFile: give this or apiKeyEnv, not both",
    ]);
  });
});

describe("providers that are opened over those of an earlier configuration", () => {
  const own = { name: "own", baseUrl: "http://127.0.0.1:9/v1", models: ["my-model"] };

  it("stay open where nothing but their models and weights has changed", async () => {
    const before = open([own]);
    const models = [{ name: "my-model", weight: 7 }, "gpt-4.1"];
    const after = open([{ ...own, models }], {}, new Map(), before);
    expect(after.providers.get("own")).toBe(before.providers.get("own"));
    expect([...after.deployments.keys()]).toEqual(["my-model", "gpt-4.1"]);
  });

  it.each<[string, object, Record<string, string>]>([
    ["address", { baseUrl: "http://127.0.0.1:10/v1" }, {}],
    ["key", { apiKeyEnv: "K" }, { K: "k" }],
    ["relay mode", { relay: "normalised" }, {}],
    ["network", { allowPrivateNetwork: true }, {}],
    ["kind", { kind: "anthropic" }, {}],
  ])("are opened anew with another %s", async (_name, change, environment) => {
    const before = open([own]);
    const after = open([{ ...own, ...change }], environment, new Map(), before);
    expect(after.providers.get("own")).not.toBe(before.providers.get("own"));
    await before.close(new Set(after.providers.values()));
  });
});

function planOf(providers: unknown[], keyFiles: FileContents) {
  const config = parseConfig(JSON.stringify({ providers }), "test.yaml");
  return planProviders(config.providers, { environment: {}, keyFiles }, catalogue);
}
