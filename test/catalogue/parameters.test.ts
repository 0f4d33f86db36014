import { expect, it } from "vitest";
import { toCatalogue } from "../../src/catalogue/model-config.ts";
import { createCatalogue } from "../../src/catalogue/models.ts";
import { CreateChatCompletionRequestSchema } from "../../src/gen/optamil/v1/chat_pb.ts";
import { parseConfig } from "../../src/platform/settings.ts";

it("only models that reason take reasoning_effort, of those that are built in", () => {
  const wrong = createCatalogue().models.filter(
    ({ capabilities, unsupportedParameters = [] }) =>
      unsupportedParameters.includes("reasoning_effort") === capabilities.reasoning,
  );
  expect(wrong).toEqual([]);
});

const sampling = ["temperature", "top_p", "logprobs", "top_logprobs"];

it("the first reasoning models of OpenAI take no sampling parameters", () => {
  for (const name of ["o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano"]) {
    const { unsupportedParameters = [], whileReasoning } = createCatalogue().byName(name) ?? {};
    expect(unsupportedParameters.toSorted()).toEqual(
      [...sampling, "presence_penalty", "frequency_penalty", "logit_bias"].toSorted(),
    );
    expect(whileReasoning).toBeUndefined();
  }
});

it("OpenAI's later ones take them while they do not reason", () => {
  const found = createCatalogue().models.flatMap(({ name, whileReasoning }) =>
    whileReasoning === undefined ? [] : [{ name, ...whileReasoning }],
  );
  const expected = {
    ...{ "gpt-5.1": false, "gpt-5.2": false },
    ...{ "gpt-5.4-nano": false, "gpt-5.4-mini": false, "gpt-5.4": false },
    ...{ "gpt-5.5": true, "gpt-5.6-luna": true, "gpt-5.6-terra": true, "gpt-5.6-sol": true },
    ...{ "gpt-6-luna": true, "gpt-6-sol": true },
  };
  expect(found.map(({ name, isDefault }) => [name, isDefault])).toEqual(Object.entries(expected));
  for (const { unsupportedParameters } of found) expect(unsupportedParameters).toEqual(sampling);
});

it("Anthropic's models take no sampling parameters from Claude Opus 4.7 on", () => {
  const names = createCatalogue()
    .models.filter(({ ownedBy }) => ownedBy === "anthropic")
    .filter(({ unsupportedParameters = [] }) => unsupportedParameters.includes("temperature"))
    .map(({ name }) => name);
  expect(names).toEqual([
    ...["claude-haiku-5.5", "claude-sonnet-5", "claude-opus-4.7", "claude-opus-4.8"],
    ...["claude-opus-5", "claude-fable-5"],
  ]);
});

it("every unsupported parameter is a field of the request", () => {
  const fields = new Set(CreateChatCompletionRequestSchema.fields.map(({ name }) => name));
  const named = createCatalogue().models.flatMap(({ unsupportedParameters, whileReasoning }) => [
    ...(unsupportedParameters ?? []),
    ...(whileReasoning?.unsupportedParameters ?? []),
  ]);
  expect(named.filter((name) => !fields.has(name))).toEqual([]);
});

it("the configuration adds to what a model cannot take, and takes away", () => {
  const text = JSON.stringify({
    models: [
      {
        name: "gpt-4.1",
        unsupportedParameters: ["store"],
        supportedParameters: ["reasoning_effort"],
      },
      { name: "gpt-5.2", supportedParameters: ["top_p", "logit_bias"] },
      { name: "own", tier: "mid", unsupportedParameters: ["seed"] },
    ],
  });
  const catalogue = toCatalogue(parseConfig(text, "test").models);
  expect(catalogue.byName("gpt-4.1")?.unsupportedParameters).toEqual(["store"]);
  expect(catalogue.byName("gpt-5.2")).toMatchObject({
    unsupportedParameters: ["presence_penalty", "frequency_penalty"],
    whileReasoning: { unsupportedParameters: ["temperature", "logprobs", "top_logprobs"] },
  });
  expect(catalogue.byName("own")?.unsupportedParameters).toEqual(["seed"]);
});
