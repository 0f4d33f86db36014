// Repairs the fragments of streamed tool calls: an index for each call, id and name once.

import { isObject, toCount, toFilledString } from "../json-values.ts";

type Call = {
  readonly index: number;
  readonly id: string | undefined;
  readonly name: string | undefined;
};

/** The tool calls of one choice of one stream. */
export class ToolCalls {
  readonly #prefix: string;
  /** The call that an upstream index last meant. */
  readonly #byUpstreamIndex = new Map<number, Call>();
  readonly #byId = new Map<string, Call>();
  readonly #usedIndexes = new Set<number>();
  #last: Call | undefined;

  /** `prefix` starts the ids of calls that the upstream gave none. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Whether no call has begun. */
  get isEmpty(): boolean {
    return this.#last === undefined;
  }

  /** The fragments of one delta in OpenAI's form: integer index; id, type and name on a call's first only. */
  mend(fragments: readonly unknown[]): Record<string, unknown>[] {
    return fragments.filter(isObject).map((fragment) => this.#mendOne(fragment));
  }

  #mendOne(fragment: Record<string, unknown>): Record<string, unknown> {
    const upstreamIndex = toCount(fragment["index"]);
    const id = toFilledString(fragment["id"]);
    const body = isObject(fragment["function"]) ? fragment["function"] : undefined;
    const name = toFilledString(body?.["name"]);
    const known = this.#find(upstreamIndex, id, name);
    const call = known ?? this.#open(upstreamIndex, id, name);
    this.#last = call;
    const { index: _, id: __, type: ___, function: ____, ...others } = fragment;
    return {
      ...others,
      index: call.index,
      ...(known === undefined ? this.#toStart(call, fragment["type"]) : {}),
      ...(body === undefined ? {} : { function: toFunction(body, known ? undefined : name) }),
    };
  }

  /** Id and type of a call's first fragment. A stream that we joined in mid-call has none to show. */
  #toStart({ id, name, index }: Call, type: unknown): Record<string, unknown> {
    if (id === undefined && name === undefined) return {};
    return { id: id ?? `${this.#prefix}${index}`, type: toFilledString(type) ?? "function" };
  }

  /** The running call that a fragment goes on with. */
  #find(
    upstreamIndex: number | undefined,
    id: string | undefined,
    name: string | undefined,
  ): Call | undefined {
    const sameId = id === undefined ? undefined : this.#byId.get(id);
    if (sameId !== undefined) return sameId;
    const running =
      upstreamIndex === undefined ? this.#last : this.#byUpstreamIndex.get(upstreamIndex);
    if (running === undefined || name === undefined) return running;
    // A name starts a call, unless the server repeats that of the running one.
    const isRepeated = id === undefined && name === running.name && upstreamIndex !== undefined;
    return isRepeated ? running : undefined;
  }

  #open(upstreamIndex: number | undefined, id: string | undefined, name: string | undefined): Call {
    const call = { index: this.#freeIndex(upstreamIndex), id, name };
    this.#usedIndexes.add(call.index);
    if (upstreamIndex !== undefined) this.#byUpstreamIndex.set(upstreamIndex, call);
    if (id !== undefined) this.#byId.set(id, call);
    return call;
  }

  #freeIndex(wanted = 0): number {
    return this.#usedIndexes.has(wanted) ? Math.max(...this.#usedIndexes) + 1 : wanted;
  }
}

function toFunction(
  body: Readonly<Record<string, unknown>>,
  name: string | undefined,
): Record<string, unknown> {
  const { name: _, arguments: given, ...others } = body;
  const text = typeof given === "string" ? given : toText(given);
  return { ...others, ...(name === undefined ? {} : { name }), arguments: text };
}

/** Arguments are pieces of JSON text; some servers send the object itself. */
function toText(given: unknown): string {
  return given === undefined || given === null ? "" : JSON.stringify(given);
}
