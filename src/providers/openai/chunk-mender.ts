// Rebuilds the chunks of any OpenAI-like stream in OpenAI's shape.

import { isObject, toCount, toFilledString } from "../json-values.ts";
import { toContentText } from "./content-text.ts";
import { toFinishReason } from "./finish-reason.ts";
import { ToolCalls } from "./tool-calls.ts";

type Choice = { hasRole: boolean; isFinished: boolean; readonly toolCalls: ToolCalls };

/** What stays the same in all chunks of a stream, until the upstream names its own. */
export type ChunkStart = {
  readonly requestId: string;
  /** The catalogue's name. */
  readonly model: string;
  /** Id of the chunks that went out already; empty if none did. */
  readonly id: string;
  /** Their `created`, else the present, Unix seconds. */
  readonly created: number;
  /** Whether chunks of choice 0 went out already, and whether it was finished by them. */
  readonly choice: "none" | "running" | "finished";
};

/**
 * The chunks of one stream.
 *
 * Source: OpenAI API reference, the chunk object: `id`, `created`, `model` and `object` never change, each
 * choice has an index, the role comes once, `finish_reason` is one of five words and comes once, the usage
 * stands in a chunk of its own.
 */
export class ChunkMender {
  /** Usage as the upstream sent it last; undefined until then. */
  usage: unknown = undefined;
  /** Whether a choice ended with a word for failure. */
  isFailed = false;
  readonly #start: ChunkStart;
  readonly #choices = new Map<number, Choice>();
  #id: string;
  #created: number | undefined;

  constructor(start: ChunkStart) {
    this.#start = start;
    this.#id = start.id;
    this.#created = start.id === "" ? undefined : start.created;
    if (start.choice === "none") return;
    const choice = this.#choiceAt(0);
    choice.hasRole = true;
    choice.isFinished = start.choice === "finished";
  }

  /** Whether every choice that was seen has ended. */
  get isFinished(): boolean {
    const choices = [...this.#choices.values()];
    return choices.length > 0 && choices.every(({ isFinished }) => isFinished);
  }

  /** The chunk in OpenAI's shape, without its usage; undefined if nothing is left for the client. */
  mend(chunk: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
    const { usage, choices, id: _, created: __, model: ___, object: ____, ...others } = chunk;
    if (usage !== undefined && usage !== null) this.usage = usage;
    this.#id ||= toFilledString(chunk["id"]) ?? "";
    // Some servers send 0 at first.
    this.#created ??= toCount(chunk["created"]) || undefined;
    const given: unknown[] = Array.isArray(choices) ? choices : [];
    const mended = given.map((choice, at) => this.#mendChoice(choice, at));
    const left = mended.filter((choice) => choice !== undefined);
    return left.length === 0 ? undefined : { ...others, ...this.#frame(), choices: left };
  }

  /** Finishes the choices that have no `finish_reason`; undefined if all have one. */
  finish(): Record<string, unknown> | undefined {
    const open = [...this.#choices].filter(([, { isFinished }]) => !isFinished);
    if (open.length === 0) return undefined;
    const choices = open.map(([index, choice]) => {
      choice.isFinished = true;
      const reason = choice.toolCalls.isEmpty ? "stop" : "tool_calls";
      return { index, delta: {}, logprobs: null, finish_reason: reason };
    });
    return { ...this.#frame(), choices };
  }

  /** The chunk that reports the usage. */
  toUsageChunk(): Record<string, unknown> {
    return { ...this.#frame(), choices: [], usage: this.usage };
  }

  #frame(): Record<string, unknown> {
    const { requestId, model, created } = this.#start;
    this.#id ||= `chatcmpl-${requestId}`;
    this.#created ??= created;
    return { id: this.#id, object: "chat.completion.chunk", created: this.#created, model };
  }

  #choiceAt(index: number): Choice {
    const known = this.#choices.get(index);
    if (known !== undefined) return known;
    const toolCalls = new ToolCalls(`call_${this.#start.requestId}_${index}_`);
    const choice = { hasRole: false, isFinished: false, toolCalls };
    this.#choices.set(index, choice);
    return choice;
  }

  #mendChoice(given: unknown, at: number): Record<string, unknown> | undefined {
    if (!isObject(given)) return undefined;
    const { index: _, delta, message, finish_reason: __, logprobs, usage, ...others } = given;
    if (isObject(usage)) this.usage = usage;
    const index = toCount(given["index"]) ?? at;
    const choice = this.#choiceAt(index);
    const reason = toFinishReason(given["finish_reason"]);
    if (reason === "failed") this.isFailed = true;
    // After its end a choice says no more; servers that repeat the last chunk do it to report the usage.
    if (choice.isFinished) return undefined;
    if (reason !== undefined) choice.isFinished = true;
    const source = isObject(delta) ? delta : message;
    return {
      ...others,
      index,
      delta: this.#mendDelta(isObject(source) ? source : {}, choice),
      logprobs: isObject(logprobs) ? logprobs : null,
      finish_reason: reason ?? null,
    };
  }

  #mendDelta(delta: Record<string, unknown>, choice: Choice): Record<string, unknown> {
    const { role: _, content, tool_calls: calls, ...others } = delta;
    const mended: Record<string, unknown> = choice.hasRole ? {} : { role: "assistant" };
    choice.hasRole = true;
    const text = toContentText(content);
    if (text !== undefined) mended["content"] = text;
    if (Array.isArray(calls) && calls.length > 0) {
      mended["tool_calls"] = choice.toolCalls.mend(calls);
    }
    for (const [name, value] of Object.entries(others)) {
      if (value !== null) mended[name] = value;
    }
    return mended;
  }
}
