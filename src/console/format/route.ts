// The router's explanation, as `x-optamil-route` and the request log give it: "scorer=neural; quality=0.80; …".

/** What the explanation says, where it says it. */
export type Explanation = {
  /** Chance of a good answer by tier, 0 to 1, cheapest tier first. */
  readonly chances: readonly number[];
  /** The other facts in order, by their name. */
  readonly facts: readonly (readonly [name: string, value: string])[];
};

/** Names of the facts in words. */
const words: Readonly<Record<string, string>> = {
  scorer: "Scored by",
  quality: "Quality asked for",
  lambda: "Weight of the cost",
  need: "Need of a strong model",
  tier: "Tier chosen",
  cost: "Expected cost, US$",
  margin: "Ahead of the next",
  "runner-up": "Next best",
  because: "Because of",
  feasible: "Models that could serve",
};

/** Reads an explanation; what it does not know stays as it is. */
export function readExplanation(text: string): Explanation {
  const pairs = text
    .split(";")
    .map((part) => part.trim().split("="))
    .flatMap(([name = "", ...value]) => (name === "" ? [] : [[name, value.join("=")] as const]));
  const chances =
    pairs
      .find(([name]) => name === "p")?.[1]
      .split(",")
      .map(Number) ?? [];
  const facts = pairs
    .filter(([name]) => name !== "p")
    .map(([name, value]) => [words[name] ?? name, value] as const);
  return { chances: chances.filter(Number.isFinite), facts };
}
