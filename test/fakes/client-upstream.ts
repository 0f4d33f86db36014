/** Plays a model that can do all that clients ask for: text, two calls at once, a schema, an image. */
import {
  chunk,
  completion,
  event,
  type Play,
  playJson,
  playStream,
  usageChunk,
} from "./openai-upstream.ts";

type Part = { readonly type: string; readonly image_url?: { readonly url: string } };
type Message = {
  readonly role: string;
  readonly content?: string | readonly Part[] | null;
  readonly tool_call_id?: string;
};
type Asked = {
  readonly messages: readonly Message[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly tools?: readonly object[];
  readonly response_format?: { readonly type: string };
};

/** The cities that are asked for when there are tools, a call each. */
const cities = ["Paris", "Rome"];

/** Answers by what the request holds. An image's address is told, so that one sees that it arrived whole. */
export const playClients: Play = (response, request) => {
  const asked: Asked = JSON.parse(request.text);
  const text = toText(asked);
  if (asked.stream === true) {
    const chunks = text === undefined ? callChunks() : textChunks(text);
    if (asked.stream_options?.include_usage === true) chunks.push(usageChunk());
    return playStream([...chunks.map(event), "data: [DONE]\n\n"])(response, request);
  }
  const extra = text === undefined ? { choices: [callChoice()] } : {};
  return playJson(200, completion(text ?? "", extra))(response, request);
};

/** The text to answer with; undefined for calls. */
function toText({ messages, tools, response_format }: Asked): string | undefined {
  const results = messages.filter(({ role }) => role === "tool");
  if (results.length > 0) {
    return results.map((row) => `${cityOf(row)}: ${textOf(row)}.`).join(" ");
  }
  if (tools !== undefined && tools.length > 0) return undefined;
  if (response_format?.type === "json_schema") return '{"name":"Ada","age":36}';
  const parts = messages.flatMap(({ content }) => (Array.isArray(content) ? content : []));
  const image: Part | undefined = parts.find(({ type }) => type === "image_url");
  return image ? `I see ${image.image_url?.url}` : "Hello from the lab \u{1F642}!";
}

function cityOf({ tool_call_id = "" }: Message): string {
  return cities.find((city) => tool_call_id === callId(city)) ?? "nowhere";
}

function textOf({ content }: Message): string {
  return typeof content === "string" ? content : JSON.stringify(content);
}

function callId(city: string): string {
  return `call_${city}`;
}

function callChoice(): object {
  const tool_calls = cities.map((city) => ({
    id: callId(city),
    type: "function",
    function: { name: "get_weather", arguments: JSON.stringify({ city }) },
  }));
  const message = { role: "assistant", content: null, refusal: null, tool_calls };
  return { index: 0, message, logprobs: null, finish_reason: "tool_calls" };
}

function textChunks(text: string): object[] {
  const words = text.split(/(?<= )/).map((content) => chunk({ content }));
  return [chunk({ role: "assistant", content: "", refusal: null }), ...words, chunk({}, "stop")];
}

/** Both calls begin before either goes on, as models with parallel calls may stream them. */
function callChunks(): object[] {
  const start = cities.map((city, index) =>
    chunk({
      ...(index === 0 && { role: "assistant", content: null }),
      tool_calls: [
        {
          index,
          id: callId(city),
          type: "function",
          function: { name: "get_weather", arguments: "" },
        },
      ],
    }),
  );
  const pieces = [() => '{"city":', (city: string) => `"${city}"}`];
  const rest = pieces.flatMap((piece) =>
    cities.map((city, index) =>
      chunk({ tool_calls: [{ index, function: { arguments: piece(city) } }] }),
    ),
  );
  return [...start, ...rest, chunk({}, "tool_calls")];
}
