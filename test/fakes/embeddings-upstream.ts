/** Plays the embeddings of OpenAI's API and of Google's on the fake upstream. */
import { type Play, playJson } from "./openai-upstream.ts";

/** Numbers of a vector where nothing else is asked for. */
export const upstreamDimensions = 4;

/** The numbers that a played model gives for an input: eighths, which 32-bit floats hold exactly. */
export function playedVector(input: unknown, dimensions: number = upstreamDimensions): number[] {
  const size = JSON.stringify(input).length;
  return Array.from({ length: dimensions }, (_, at) => (at % 2 === 0 ? 1 : -1) * (size + at / 8));
}

/** Numbers as little-endian 32-bit floats in base64. */
export function toBase64(numbers: readonly number[]): string {
  const bytes = Buffer.alloc(numbers.length * 4);
  for (const [at, number] of numbers.entries()) bytes.writeFloatLE(number, at * 4);
  return bytes.toString("base64");
}

/** OpenAI's list object with these vectors. */
export function embeddingList(vectors: readonly unknown[], extra: object = {}): object {
  return {
    object: "list",
    data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
    model: "upstream-embedding-2026-01-01",
    usage: { prompt_tokens: 5, total_tokens: 5 },
    ...extra,
  };
}

/** Answers as OpenAI does: a vector for each input, in the form and of the length asked for. */
export const playEmbeddings: Play = (response, request) => {
  const asked: Record<string, unknown> = JSON.parse(request.text);
  const { input } = asked;
  const inputs: readonly unknown[] =
    Array.isArray(input) && typeof input[0] !== "number" ? input : [input];
  const vectors = inputs.map((one) => playedVector(one, Number(asked["dimensions"] ?? 4)));
  const isBase64 = asked["encoding_format"] === "base64";
  const list = embeddingList(isBase64 ? vectors.map(toBase64) : vectors);
  return playJson(200, list)(response, request);
};

/** Answers as Google's batchEmbedContents does. */
export const playGeminiEmbeddings: Play = (response, request) => {
  type Asked = {
    readonly content: { readonly parts: readonly { readonly text: string }[] };
    readonly outputDimensionality?: number;
  };
  const { requests }: { requests: readonly Asked[] } = JSON.parse(request.text);
  const embeddings = requests.map(({ content, outputDimensionality }) => ({
    values: playedVector(content.parts[0]?.text, outputDimensionality),
  }));
  return playJson(200, { embeddings })(response, request);
};
