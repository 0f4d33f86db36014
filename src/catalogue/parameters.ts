// Which request parameters a built-in model cannot take, or takes under another name.

import type { Model } from "./model.ts";

const penalties = ["presence_penalty", "frequency_penalty"];
const logprobs = ["logprobs", "top_logprobs"];
const sampling = ["temperature", "top_p"];

const claudesWithoutSampling: ReadonlySet<string> = new Set([
  ...["claude-opus-4.7", "claude-opus-4.8", "claude-opus-5"],
  ...["claude-sonnet-5", "claude-haiku-5.5", "claude-fable-5"],
]);

type Rule = { readonly holds: (model: Model) => boolean; readonly parameters: readonly string[] };

/**
 * OpenAI's models whose reasoning can be turned off, and of them those that reason only when asked.
 * Source: OpenAI, guide to the latest model, parameter compatibility; the defaults also in LiteLLM's table of models.
 */
const canRest = /^gpt-(5\.|6)/;
const restsByDefault = /^gpt-5\.[124]/;

/** Facts of the providers' references; a model that no rule names takes everything. */
const rules: readonly Rule[] = [
  { holds: ({ capabilities }) => !capabilities.reasoning, parameters: ["reasoning_effort"] },
  // OpenAI, reasoning guide: reasoning models sample in their own way only.
  { holds: isReasoningOpenAi, parameters: [...penalties, "logit_bias"] },
  {
    holds: (model) => isReasoningOpenAi(model) && !canRest.test(model.name),
    parameters: [...sampling, ...logprobs],
  },
  // Groq, OpenAI compatibility: these are answered with 400.
  { holds: ({ provider }) => provider === "groq", parameters: [...logprobs, "logit_bias"] },
  // Anthropic, migration guides from Claude Opus 4.7 on: sampling parameters are answered with 400.
  { holds: ({ name }) => claudesWithoutSampling.has(name), parameters: sampling },
];

function isReasoningOpenAi({ ownedBy, provider, capabilities }: Model): boolean {
  return ownedBy === "openai" && provider === "openai" && capabilities.reasoning;
}

/** What is known of a built-in model's parameters, by their names in the request. */
export function parametersOf(
  model: Model,
): Pick<Model, "unsupportedParameters" | "whileReasoning" | "renamedParameters"> {
  const { name } = model;
  const whileReasoning = {
    unsupportedParameters: [...sampling, ...logprobs],
    isDefault: !restsByDefault.test(name),
  };
  return {
    unsupportedParameters: rules.flatMap(({ holds, parameters }) =>
      holds(model) ? parameters : [],
    ),
    ...(isReasoningOpenAi(model) && canRest.test(name) && { whileReasoning }),
    // OpenAI API reference, max_tokens: deprecated, and answered with 400 by the models that reason.
    renamedParameters: isReasoningOpenAi(model) ? { max_tokens: "max_completion_tokens" } : {},
  };
}
