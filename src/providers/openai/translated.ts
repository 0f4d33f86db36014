// Lets an upstream with a dialect of its own be read as if it spoke OpenAI's wire format.

import { Buffer } from "node:buffer";
import type { Dialect, DialectEvents } from "../dialect.ts";
import type { ProviderFailure } from "../provider.ts";
import { eventBytesMax } from "./event-scanner.ts";
import type { AnswerHeaders, ExchangeReceiver, ExchangeSteer } from "./exchange.ts";
import { toProtocolFailure } from "./failure.ts";
import { isObject } from "./json-values.ts";
import { SseParser } from "./sse-parser.ts";

/** Largest answer in one piece: 32 MiB, as large as the largest request. */
const answerBytesMax = 32 * 1024 * 1024;

/** A whole answer: translated when it is complete. */
export class TranslatedAnswer implements ExchangeReceiver {
  readonly #steer: ExchangeSteer;
  readonly #dialect: Dialect;
  readonly #inner: ExchangeReceiver;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(steer: ExchangeSteer, dialect: Dialect, inner: ExchangeReceiver) {
    this.#steer = steer;
    this.#dialect = dialect;
    this.#inner = inner;
  }

  onHead(headers: AnswerHeaders): void {
    this.#inner.onHead(headers);
  }

  onBytes(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > answerBytesMax) {
      this.#steer.fail(toProtocolFailure(`an answer of more than ${answerBytesMax} bytes`));
    }
  }

  onClose(): void {
    const value = parseObject(Buffer.concat(this.#pieces).toString("utf8"));
    if (value === undefined) {
      this.#steer.fail(toProtocolFailure("an answer that is no JSON object"));
      return;
    }
    const answer = isObject(value["error"])
      ? { error: value["error"] }
      : this.#dialect.answer(value);
    this.#inner.onBytes(Buffer.from(JSON.stringify(answer)));
    this.#inner.onClose();
  }

  onFailure(failure: ProviderFailure): void {
    this.#inner.onFailure(failure);
  }
}

/** A stream: each event is translated as it comes. */
export class TranslatedStream implements ExchangeReceiver {
  readonly #steer: ExchangeSteer;
  readonly #inner: ExchangeReceiver;
  readonly #events: DialectEvents;
  readonly #parser = new SseParser(eventBytesMax);
  #isJson = false;

  constructor(steer: ExchangeSteer, dialect: Dialect, inner: ExchangeReceiver) {
    this.#steer = steer;
    this.#inner = inner;
    this.#events = dialect.events();
  }

  onHead(headers: AnswerHeaders): void {
    this.#isJson = /\bjson\b/i.test(String(headers["content-type"] ?? ""));
    this.#inner.onHead(headers);
  }

  onBytes(bytes: Buffer): void {
    // An error instead of a stream: its form is OpenAI's.
    if (this.#isJson) {
      this.#inner.onBytes(bytes);
      return;
    }
    const lines: string[] = [];
    for (const { type, data } of this.#parser.push(bytes)) {
      if (data.trim() === "") continue;
      const value = parseObject(data);
      if (value === undefined) {
        this.#forward(lines);
        this.#steer.fail(toProtocolFailure("an event is not a JSON object"));
        return;
      }
      for (const chunk of this.#events.push(type, value)) {
        lines.push(`data: ${chunk === "done" ? "[DONE]" : JSON.stringify(chunk)}\n\n`);
      }
    }
    this.#forward(lines);
    if (this.#parser.isTooLarge) {
      this.#steer.fail(toProtocolFailure(`an event of more than ${eventBytesMax} bytes`));
    }
  }

  onClose(): void {
    this.#inner.onClose();
  }

  onFailure(failure: ProviderFailure): void {
    this.#inner.onFailure(failure);
  }

  #forward(lines: readonly string[]): void {
    if (lines.length > 0) this.#inner.onBytes(Buffer.from(lines.join("")));
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
