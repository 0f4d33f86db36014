// The examples of the docs: each can be copied in several languages, and run on the page.
import { type ChatBody, type Snippet, snippetsOf, toCurlGet } from "../format/snippets.ts";

/** One example: a request of the REST API. */
export type Example = {
  readonly id: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Default: none. */
  readonly body?: ChatBody;
};

const ask = (content: string, options: Partial<ChatBody> = {}): ChatBody => ({
  model: "auto",
  messages: [{ role: "user", content }],
  ...options,
});

const chat = (id: string, body: ChatBody): Example => ({
  id,
  method: "POST",
  path: "/v1/chat/completions",
  body,
});

/** The examples by their place in the docs. */
export const examples = {
  first: chat("first", ask("Explain quantum computing in one sentence.")),
  streaming: chat("streaming", ask("Write a haiku about AI.", { stream: true })),
  json: chat("json", {
    model: "auto",
    messages: [
      { role: "system", content: "Respond in JSON." },
      { role: "user", content: "List 3 programming languages with their year of creation." },
    ],
    response_format: { type: "json_object" },
  }),
  named: chat(
    "named",
    ask("Analyze the implications of quantum error correction.", {
      model: "claude-sonnet-4",
      max_tokens: 2_000,
      temperature: 0.7,
    }),
  ),
  quality: chat("quality", ask("Say hello.", { optamil: { quality: 0.2 } })),
  models: { id: "models", method: "GET", path: "/v1/models" },
  usage: { id: "usage", method: "GET", path: "/v1/usage" },
} as const satisfies Record<string, Example>;

/** An example in its languages. */
export function codeOf({ path, body }: Example, origin: string, key: string): readonly Snippet[] {
  return body === undefined
    ? [toCurlGet({ origin, key }, path)]
    : snippetsOf({ origin, key, body });
}
