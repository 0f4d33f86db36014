// The parameters that had no effect, as the client of another API knows them.
import { mergeNames } from "../chat/parameters.ts";
import type { AnswerTranslator } from "./exchange.ts";

/** The translator's own and, by names of a chat request, those of the answer's head; undefined: the head's alone. */
export function toDropped(
  translator: AnswerTranslator | undefined,
  names: readonly string[] | undefined,
): readonly string[] | undefined {
  if (translator === undefined) return names;
  const known = names?.map((name) => translator.parameter(name));
  return mergeNames(translator.dropped, known);
}
