// Watches a stream that should be JSON, as it goes to the client: what is none ends as a failure, never as a success.
import type { ChatUsage, StreamChatCompletionResponse } from "../gen/optamil/v1/chat_pb.ts";
import { Cancellation } from "../platform/cancellation.ts";
import { OptamilError } from "../platform/errors.ts";
import { isObject, parseObject, toObject, toObjects } from "../providers/json-values.ts";
import type {
  Provider,
  ProviderCall,
  ProviderFailure,
  ProviderStream,
  StreamReceiver,
} from "../providers/provider.ts";
import type { JsonForm } from "./json-form.ts";
import { JsonSyntax } from "./json-syntax.ts";

/**
 * Streams from a provider whose own mode promises JSON. Each event goes on at once unless the text is no JSON with
 * it: then it stays here, the upstream is closed and the stream has failed.
 */
export function watchJson(
  provider: Provider,
  call: ProviderCall,
  form: JsonForm,
  receiver: StreamReceiver,
): ProviderStream {
  const upstream = new Cancellation();
  const forget = call.cancellation.onCancel(() =>
    upstream.cancel(call.cancellation.reason ?? "client_closed"),
  );
  const watch = new JsonWatch(call, form, receiver, (isGood) => {
    forget();
    if (!isGood) upstream.cancel("shutdown");
  });
  return provider.stream({ ...call, cancellation: upstream }, watch);
}

/** What was said beside JSON where JSON was promised: nothing of this model, another may do better. */
export function notJson(): ProviderFailure {
  const message = "The model did not answer with JSON as response_format asks. Please try again.";
  const error = new OptamilError("service_unavailable", message);
  return { ok: false, error, status: 200, errorClass: "invalid_json", tryNext: true };
}

/** A piece of one choice. */
type Piece = {
  readonly index: unknown;
  readonly content: unknown;
  /** Whether the piece refuses or calls: then the text is no answer. */
  readonly isOther: boolean;
  readonly reason: unknown;
};

type Choice = {
  readonly syntax: JsonSyntax;
  isJson: boolean;
  isOther: boolean;
  isFinished: boolean;
};

class JsonWatch implements StreamReceiver {
  readonly #receiver: StreamReceiver;
  readonly #onOver: (isGood: boolean) => void;
  readonly #needsObject: boolean;
  /** With tools a text may be said before they are called: only the finish tells. */
  readonly #isPatient: boolean;
  readonly #choices = new Map<unknown, Choice>();
  #isOver = false;

  constructor(
    { request }: ProviderCall,
    { schema }: JsonForm,
    receiver: StreamReceiver,
    onOver: (isGood: boolean) => void,
  ) {
    this.#receiver = receiver;
    this.#onOver = onOver;
    this.#needsObject = isObject(schema) && schema["type"] === "object";
    this.#isPatient = request.tools.length > 0 || request.functions.length > 0;
  }

  onEvents(events: Uint8Array, eventCount: number): void {
    if (this.#isOver) return;
    const bytes = Buffer.from(events.buffer, events.byteOffset, events.byteLength);
    let at = 0;
    for (let count = 0; count < eventCount; count += 1) {
      const end = bytes.indexOf("\n\n", at) + 2;
      const chunk = parseObject(bytes.toString("utf8", at + "data: ".length, end));
      if (!toObjects(toObject(chunk)["choices"]).map(toPiece).every(this.#take)) {
        if (count > 0) this.#receiver.onEvents(events.subarray(0, at), count);
        this.#fail();
        return;
      }
      at = end;
    }
    this.#receiver.onEvents(events, eventCount);
  }

  onChunks(chunks: readonly StreamChatCompletionResponse[]): void {
    if (this.#isOver) return;
    const bad = chunks.findIndex(({ choices }) => !choices.map(fromChoice).every(this.#take));
    const good = bad < 0 ? chunks : chunks.slice(0, bad);
    if (good.length > 0) this.#receiver.onChunks(good);
    if (bad >= 0) this.#fail();
  }

  onEnd(usage: ChatUsage | undefined): void {
    if (this.#isOver) return;
    const left = [...this.#choices.values()].filter(({ isFinished }) => !isFinished);
    if (!left.every(isGoodEnd)) {
      this.#fail();
      return;
    }
    this.#end(true);
    this.#receiver.onEnd(usage);
  }

  onFailure(failure: ProviderFailure): void {
    if (this.#isOver) return;
    this.#end(true);
    this.#receiver.onFailure(failure);
  }

  /** Whether the client may have the piece. */
  readonly #take = ({ index, content, isOther, reason }: Piece): boolean => {
    const choice = this.#choiceAt(index);
    choice.isOther ||= isOther;
    if (typeof content === "string") choice.isJson &&= choice.syntax.push(content);
    const isFinish = typeof reason === "string" && reason !== "";
    choice.isFinished ||= isFinish;
    if (reason === "stop") return isGoodEnd(choice);
    return isFinish || choice.isJson || choice.isOther || this.#isPatient;
  };

  #choiceAt(index: unknown): Choice {
    const known = this.#choices.get(index);
    if (known !== undefined) return known;
    const syntax = new JsonSyntax(this.#needsObject);
    const choice = { syntax, isJson: true, isOther: false, isFinished: false };
    this.#choices.set(index, choice);
    return choice;
  }

  #fail(): void {
    this.#end(false);
    this.#receiver.onFailure(notJson());
  }

  #end(isGood: boolean): void {
    this.#isOver = true;
    this.#onOver(isGood);
  }
}

function isGoodEnd({ syntax, isJson, isOther }: Choice): boolean {
  return isOther || (isJson && syntax.isWhole);
}

function fromChoice({
  index,
  delta,
  finishReason: reason,
}: StreamChatCompletionResponse["choices"][number]): Piece {
  const { content, refusal, toolCalls = [], functionCall } = delta ?? {};
  const isOther = Boolean(refusal) || toolCalls.length > 0 || functionCall !== undefined;
  return { index, content, isOther, reason };
}

function toPiece(choice: Readonly<Record<string, unknown>>): Piece {
  const { index, delta, finish_reason: reason } = choice;
  const { content, refusal, tool_calls: calls, function_call: call } = toObject(delta);
  const isOther = Boolean(refusal) || toObjects(calls).length > 0 || isObject(call);
  return { index, content, isOther, reason };
}
