// The texts of a whole answer.
import type { ProviderAnswer } from "../providers/provider.ts";

/** The texts of a whole answer, for counting where the provider counts nothing. */
export function textOf({ body }: ProviderAnswer): string {
  if (body.form === "message") {
    return body.message.choices.map(({ message }) => message?.content ?? "").join("");
  }
  const answer: unknown = JSON.parse(new TextDecoder().decode(body.bytes));
  return contentsIn(answer).join("");
}

function contentsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === "content" && typeof inner === "string" ? [inner] : contentsIn(inner),
  );
}
