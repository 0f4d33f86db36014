// What goes up: the client's bytes with as few edits as possible, or the encoded message.

import { Buffer } from "node:buffer";
import { create } from "@bufbuild/protobuf";
import {
  type CreateChatCompletionRequest,
  CreateChatCompletionRequestSchema,
  StreamOptionsSchema,
} from "../../gen/optamil/v1/chat_pb.ts";
import { jsonCodec } from "../../platform/json.ts";
import { editMembers, type JsonBody, readMember } from "../../platform/json-body.ts";
import type { Dialect, JsonObject } from "../dialect.ts";
import { isObject } from "../json-values.ts";
import { hasMarks, takeMarks } from "../marks.ts";
import type { ProviderCall, UpstreamCall } from "../provider.ts";

const requestCodec = jsonCodec(CreateChatCompletionRequestSchema);

/** The member that only the gateway reads. */
const gatewayMember = "optamil";

/**
 * The body of the upstream request, and what it cannot say: `model` is the upstream's, a stream always asks for its
 * usage. What a client of OpenAI's form wrote goes up as it is; of a request that came in another form, such as
 * Anthropic's, what only that knows stays behind.
 */
export function toUpstreamBody(call: ProviderCall, isStream: boolean): Upstream {
  if (call.body === undefined) return encodeRequest(call, isStream);
  return { bytes: editBody(call, call.body, isStream), dropped: [] };
}

/** A body, and the names of what was left out of it. */
type Upstream = { readonly bytes: Uint8Array; readonly dropped: readonly string[] };

function editBody(call: ProviderCall, body: JsonBody, isStream: boolean): Uint8Array {
  const edits = toEdits(body.value, call.upstreamModel, isStream);
  for (const name of call.omit ?? []) edits.set(name, undefined);
  addRenames(edits, body, call.renamed);
  return edits.size === 0 ? body.bytes : editMembers(body, edits);
}

/** What a client has said by both names stands by the newer one. */
function addRenames(
  edits: Map<string, Uint8Array | undefined>,
  body: JsonBody,
  renamed: Readonly<Record<string, string>> = {},
): void {
  for (const [name, other] of Object.entries(renamed)) {
    const value = readMember(body, name);
    if (value === undefined || edits.has(name)) continue;
    edits.set(name, undefined);
    if (!Object.hasOwn(body.value, other)) edits.set(other, value);
  }
}

/** JSON of the members to replace or add, by name; undefined: to remove. */
function toEdits(
  value: Readonly<Record<string, unknown>>,
  upstreamModel: string,
  isStream: boolean,
): Map<string, Uint8Array | undefined> {
  const edits = new Map<string, Uint8Array | undefined>();
  const options = isObject(value["stream_options"]) ? value["stream_options"] : {};
  if (value["model"] !== upstreamModel) edits.set("model", toJson(upstreamModel));
  if (isStream) {
    if (value["stream"] !== true) edits.set("stream", toJson(true));
    if (options["include_usage"] !== true) {
      edits.set("stream_options", toJson({ ...options, include_usage: true }));
    }
  } else {
    if (value["stream"] === true) edits.set("stream", undefined);
    if (Object.hasOwn(value, "stream_options")) edits.set("stream_options", undefined);
  }
  if (Object.hasOwn(value, gatewayMember)) edits.set(gatewayMember, undefined);
  return edits;
}

/** The body of a request to an API with a dialect of its own, and the members that it cannot say. */
export function toTranslatedBody(
  { request, upstreamModel, omit = [] }: ProviderCall,
  isStream: boolean,
  dialect: Dialect,
): Upstream {
  const value = toRequestValue(request, omit);
  const bytes = toJson(dialect.request(value, upstreamModel, isStream));
  return { bytes, dropped: dialect.dropped(value, upstreamModel).toSorted() };
}

/** A request as OpenAI's JSON, without the members that only the gateway reads, nor those that are to be left out. */
export function toRequestValue(
  request: CreateChatCompletionRequest,
  omit: readonly string[],
): JsonObject {
  return withoutMembers(encodeText(request), omit);
}

/** The JSON of a request with these changes, without the members that only the gateway reads. */
function encodeText(
  request: CreateChatCompletionRequest,
  changes: Partial<CreateChatCompletionRequest> = {},
): string {
  const { [gatewayMember]: _, ...extra } = request.extra ?? {};
  return requestCodec.encodeText({ ...request, ...changes, optamil: undefined, extra });
}

function withoutMembers(text: string, omit: readonly string[]): JsonObject {
  const members = Object.entries(JSON.parse(text)).filter(([name]) => !omit.includes(name));
  return Object.fromEntries(members);
}

function encodeRequest(
  { request, upstreamModel, omit = [], renamed = {} }: ProviderCall,
  isStream: boolean,
): Upstream {
  const options = { ...request.streamOptions, includeUsage: true };
  const text = encodeText(request, {
    model: upstreamModel,
    stream: isStream ? true : undefined,
    streamOptions: isStream ? create(StreamOptionsSchema, options) : undefined,
  });
  const isAsItIs = omit.length === 0 && Object.keys(renamed).length === 0 && !hasMarks(text);
  if (isAsItIs) return { bytes: Buffer.from(text), dropped: [] };
  const taken = takeMarks(withoutMembers(text, omit));
  return { bytes: toJson(rename(taken.request, renamed)), dropped: taken.names };
}

function rename(value: JsonObject, renamed: Readonly<Record<string, string>>): JsonObject {
  const members = Object.entries(value).flatMap(([name, inner]) => {
    const other = Object.hasOwn(renamed, name) ? renamed[name] : undefined;
    if (other === undefined) return [[name, inner]];
    return Object.hasOwn(value, other) ? [] : [[other, inner]];
  });
  return Object.fromEntries(members);
}

function toJson(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

/** Headers of all upstream requests of one provider, as undici's flat list; none of the client's. */
export function toStaticHeaders(apiKey: string | undefined, version: string): readonly string[] {
  const headers = ["content-type", "application/json", "user-agent", `optamil/${version}`];
  if (apiKey !== undefined) headers.push("authorization", `Bearer ${apiKey}`);
  return headers;
}

/** Headers of one upstream request. */
export function toHeaders(
  staticHeaders: readonly string[],
  { requestId, traceparent }: Pick<UpstreamCall, "requestId" | "traceparent">,
  isStream: boolean,
): string[] {
  const accept = isStream ? "text/event-stream" : "application/json";
  const trace = traceparent === undefined ? [] : ["traceparent", traceparent];
  return [...staticHeaders, "accept", accept, "x-request-id", requestId, ...trace];
}
