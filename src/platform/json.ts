// Turns JSON into messages and messages into JSON, as the options of options.proto say.
//
// A codec is compiled once from a descriptor; what it does for a document is then a walk over small tables.
import {
  create,
  type DescMessage,
  isMessage,
  type JsonObject,
  type MessageShape,
} from "@bufbuild/protobuf";
import { messageCodec } from "./json-message.ts";
import type { Problem } from "./json-path.ts";
import { Trail } from "./json-trail.ts";

/** Reads and writes messages of one type. */
export type JsonCodec<T> = {
  /**
   * The message that a JSON value stands for. `path` is where the value stands, if not at the top.
   *
   * Throws `invalid_request` for the first mistake; `param` is its path. An explicit null is an absent field.
   * The message shares its Struct fields with `value`.
   */
  readonly decode: (value: unknown, path?: string) => T;
  /** The same with every mistake noted instead of thrown; the message is whole only if there is none. */
  readonly decodeAll: (value: unknown) => { readonly message: T; readonly problems: Problem[] };
  /**
   * The message as a plain object. 64-bit integers and decimals that no double holds exactly become strings,
   * which `decode` reads too. Numbers that JSON does not know (NaN, Infinity) become null in its text.
   */
  readonly encode: (message: T) => JsonObject;
  /** The message as JSON text, in which decimals are exact numbers, however many digits they have. */
  readonly encodeText: (message: T) => string;
};

/**
 * The codec of a message type; compiled at the first call, shared by later ones.
 * Throws an Error if the options of the type or of one below it contradict themselves: make codecs at start.
 */
export function jsonCodec<Desc extends DescMessage>(schema: Desc): JsonCodec<MessageShape<Desc>> {
  const codec = messageCodec(schema);
  const toObject = (message: MessageShape<Desc>, exact: boolean): JsonObject => {
    const value = codec.encode(message, exact);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    throw new Error(`${schema.typeName} is not written as an object`);
  };
  return {
    decode(value, path = "") {
      const message = codec.decode(value, new Trail(path));
      if (isMessage(message, schema)) return message;
      throw new Error(`${schema.typeName} was not decoded`);
    },
    decodeAll(value) {
      const problems: Problem[] = [];
      const message = codec.decode(value, new Trail("", problems));
      return { message: isMessage(message, schema) ? message : create(schema), problems };
    },
    encode: (message) => toObject(message, false),
    encodeText: (message) => JSON.stringify(toObject(message, true)),
  };
}
