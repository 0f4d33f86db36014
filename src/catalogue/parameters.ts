// Which request parameters a built-in model cannot take, or takes under another name.

import type { Model } from "./model.ts";

const penalties = ["presence_penalty", "frequency_penalty"];
const logprobs = ["logprobs", "top_logprobs", "logit_bias"];
const sampling = ["temperature", "top_p"];

const claudesWithoutSampling: ReadonlySet<string> = new Set([
  ...["claude-opus-4.7", "claude-opus-4.8", "claude-opus-5"],
  ...["claude-sonnet-5", "claude-haiku-5.5", "claude-fable-5"],
]);

type Rule = { readonly holds: (model: Model) => boolean; readonly parameters: readonly string[] };

/** Facts of the providers' references; a model that no rule names takes everything. */
const rules: readonly Rule[] = [
  { holds: ({ capabilities }) => !capabilities.reasoning, parameters: ["reasoning_effort"] },
  // OpenAI, reasoning guide: the o-series and the first GPT-5 models sample in their own way only.
  {
    holds: ({ name }) => ["o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano"].includes(name),
    parameters: [...sampling, ...penalties, ...logprobs],
  },
  // Groq, OpenAI compatibility: these are answered with 400.
  { holds: ({ provider }) => provider === "groq", parameters: logprobs },
  // Anthropic, migration guides from Claude Opus 4.7 on: sampling parameters are answered with 400.
  { holds: ({ name }) => claudesWithoutSampling.has(name), parameters: sampling },
];

/** The parameters that a model takes under another name, and that name. */
export function renamedParametersOf({
  ownedBy,
  capabilities,
}: Model): Readonly<Record<string, string>> {
  // OpenAI API reference, max_tokens: deprecated, and answered with 400 by the models that reason.
  const isRenamed = ownedBy === "openai" && capabilities.reasoning;
  return isRenamed ? { max_tokens: "max_completion_tokens" } : {};
}

/** The parameters that a model cannot take, by their names in the request. */
export function unsupportedParametersOf(model: Model): readonly string[] {
  return rules.flatMap(({ holds, parameters }) => (holds(model) ? parameters : []));
}
