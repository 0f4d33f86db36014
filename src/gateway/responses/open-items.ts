// The items of a response while they come: each knows its events.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { StreamResponseResponseSchema } from "../../gen/optamil/v1/responses_pb.ts";
import { type ItemKind, itemId } from "./answer.ts";
import { readCustomInput } from "./custom-tools.ts";
import {
  type Called,
  callItem,
  type Init,
  type Item,
  messageItem,
  type Part,
  reasoningItem,
  reasoningPart,
  type SaidType,
  type Status,
  saidPart,
  toList,
} from "./parts.ts";
import { sealThoughts } from "./thoughts.ts";

/** An event to be made; its number comes with its turn. */
export type Event = Init<typeof StreamResponseResponseSchema>;

/** Takes the events of an item. */
export type Emit = (event: Event) => void;

/** Where an item stands. */
export type Place = { readonly base: string; readonly index: number; readonly emit: Emit };

/** An item that has begun. */
export interface OpenItem {
  /** The item as far as it has come. */
  item(status: Status): Item;
  /** Ends it; more than once has no effect. */
  close(status: Status): void;
}

/** What all items do: they begin and end, and their events say where they are. */
abstract class Begun implements OpenItem {
  readonly id: string;
  readonly #index: number;
  readonly #emit: Emit;
  #closedAs: Status | undefined = undefined;

  constructor(kind: ItemKind, { base, index, emit }: Place) {
    this.id = itemId(kind, base, index);
    this.#index = index;
    this.#emit = emit;
  }

  abstract draw(status: Status): Item;
  abstract finish(): void;

  item(status: Status): Item {
    return this.draw(this.#closedAs ?? status);
  }

  close(status: Status): void {
    if (this.#closedAs !== undefined) return;
    this.finish();
    this.#closedAs = status;
    const item = this.draw(status);
    this.#emit({ type: "response.output_item.done", outputIndex: this.#index, item });
  }

  protected begin(): void {
    const item = this.draw("in_progress");
    this.#emit({ type: "response.output_item.added", outputIndex: this.#index, item });
  }

  protected tell(type: string, more: Event): void {
    this.#emit({ type: `response.${type}`, itemId: this.id, outputIndex: this.#index, ...more });
  }
}

/** A message: parts of text and refusal, one after the other. */
export class OpenMessage extends Begun {
  readonly #parts: Part[] = [];
  #type: SaidType | undefined = undefined;
  #text = "";
  #logprobs: JsonValue[] = [];

  constructor(place: Place) {
    super("msg", place);
    this.begin();
  }

  say(type: SaidType, delta: string, logprobs: readonly JsonValue[]): void {
    if (this.#type !== type) {
      this.finish();
      this.#type = type;
      this.#tellPart("added");
    }
    this.#text += delta;
    this.#logprobs.push(...logprobs);
    const isText = type === "output_text";
    this.#tellSaid("delta", { delta, ...(isText && { logprobs: toList(logprobs) }) });
  }

  draw(status: Status): Item {
    const open =
      this.#type === undefined || status === "in_progress" ? [] : [this.#part(this.#type)];
    return messageItem(this.id, status, [...this.#parts, ...open]);
  }

  finish(): void {
    const type = this.#type;
    if (type === undefined) return;
    const text = this.#text;
    this.#tellSaid(
      "done",
      type === "refusal" ? { refusal: text } : { text, logprobs: toList(this.#logprobs) },
    );
    this.#tellPart("done");
    this.#parts.push(this.#part(type));
    this.#type = undefined;
    this.#text = "";
    this.#logprobs = [];
  }

  #part(type: SaidType): Part {
    return saidPart(type, this.#text, this.#logprobs);
  }

  #tellPart(what: "added" | "done"): void {
    const part = this.#part(this.#type ?? "output_text");
    this.tell(`content_part.${what}`, { contentIndex: this.#parts.length, part });
  }

  #tellSaid(what: "delta" | "done", more: Event): void {
    this.tell(`${this.#type}.${what}`, { contentIndex: this.#parts.length, ...more });
  }
}

/** What was reasoned, as its text or as a summary. */
export class OpenReasoning extends Begun {
  readonly #isSummary: boolean;
  readonly #thoughts: JsonObject[] = [];
  #text: string | undefined = undefined;
  /** Characters of the text that are signed. */
  #signed = 0;

  constructor(place: Place, isSummary: boolean) {
    super("rs", place);
    this.#isSummary = isSummary;
    this.begin();
  }

  think(delta: string): void {
    if (this.#text === undefined) {
      this.#text = "";
      this.#tellPart("added");
    }
    this.#text += delta;
    this.#tellText("delta", { delta });
  }

  /** A signature comes after what it signs; what is redacted is whole. */
  sign(block: JsonObject): void {
    if (block["type"] === "redacted_thinking") {
      this.#thoughts.push(block);
    } else if (block["signature"]) {
      const thinking = (this.#text ?? "").slice(this.#signed);
      this.#signed += thinking.length;
      this.#thoughts.push({ ...block, thinking });
    }
  }

  draw(status: Status): Item {
    return reasoningItem(this.id, status, {
      text: status === "in_progress" ? undefined : this.#text,
      isSummary: this.#isSummary,
      sealed: sealThoughts(this.#thoughts),
    });
  }

  finish(): void {
    if (this.#text === undefined) return;
    this.#tellText("done", { text: this.#text });
    this.#tellPart("done");
  }

  #tellPart(what: "added" | "done"): void {
    const name = this.#isSummary ? "reasoning_summary_part" : "content_part";
    const part = reasoningPart(this.#text ?? "", this.#isSummary);
    this.tell(`${name}.${what}`, { ...this.#partIndex(), part });
  }

  #tellText(what: "delta" | "done", more: Event): void {
    const name = this.#isSummary ? "reasoning_summary_text" : "reasoning_text";
    this.tell(`${name}.${what}`, { ...this.#partIndex(), ...more });
  }

  #partIndex(): Event {
    return this.#isSummary ? { summaryIndex: 0 } : { contentIndex: 0 };
  }
}

/** A call of a tool. Calls may come at the same time. */
export class OpenCall extends Begun {
  readonly #call: Omit<Called, "arguments">;
  #text = "";

  constructor(place: Place, call: Omit<Called, "arguments">) {
    super(call.isCustom ? "ctc" : "fc", place);
    this.#call = call;
    this.begin();
  }

  /** The text for a custom tool is told when its JSON is whole. */
  write(delta: string): void {
    if (delta === "") return;
    this.#text += delta;
    if (!this.#call.isCustom) this.tell("function_call_arguments.delta", { delta });
  }

  draw(status: Status): Item {
    return callItem(this.id, status, { ...this.#call, arguments: this.#text });
  }

  /** Clients parse the arguments: none at all are an empty object. */
  finish(): void {
    const { name, isCustom } = this.#call;
    if (isCustom) {
      const input = readCustomInput(this.#text);
      if (input !== "") this.tell("custom_tool_call_input.delta", { delta: input });
      this.tell("custom_tool_call_input.done", { input });
      return;
    }
    if (this.#text === "") this.write("{}");
    this.tell("function_call_arguments.done", { name, arguments: this.#text });
  }
}
