import { expect, it } from "vitest";
import { toModelOverrides } from "../../src/catalogue/model-config.ts";
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

it("the first reasoning models of OpenAI take no sampling parameters", () => {
  expect(createCatalogue().byName("gpt-5")?.unsupportedParameters).toEqual([
    ...["temperature", "top_p", "presence_penalty", "frequency_penalty"],
    ...["logprobs", "top_logprobs", "logit_bias"],
  ]);
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
  const named = createCatalogue().models.flatMap((model) => model.unsupportedParameters ?? []);
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
      { name: "own", tier: "mid", unsupportedParameters: ["seed"] },
    ],
  });
  const catalogue = createCatalogue(toModelOverrides(parseConfig(text, "test").models));
  expect(catalogue.byName("gpt-4.1")?.unsupportedParameters).toEqual(["store"]);
  expect(catalogue.byName("own")?.unsupportedParameters).toEqual(["seed"]);
});
