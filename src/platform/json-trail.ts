// Where a decoder stands in a document, and what it does about a mistake: throw it or note it.
import { invalidRequest } from "./errors.ts";
import { formatPath, type Problem, problemAt } from "./json-path.ts";

/** The state of one decode. */
export class Trail {
  /** The keys and indexes that lead to the value at hand; whoever goes down pushes, and pops on the way back. */
  readonly path: (string | number)[];
  readonly #problems: Problem[] | undefined;

  /** With `problems` mistakes are added to it; without, the first one is thrown as `invalid_request`. */
  constructor(start: string, problems?: Problem[]) {
    this.path = start === "" ? [] : [start];
    this.#problems = problems;
  }

  /** Refuses the value at hand. Returns undefined, which stands for the value when mistakes are noted. */
  refuse(reason: string): undefined {
    const { path, message } = problemAt(formatPath(this.path), reason);
    if (this.#problems === undefined) throw invalidRequest(message, path === "" ? undefined : path);
    this.#problems.push({ path, message });
    return undefined;
  }
}
