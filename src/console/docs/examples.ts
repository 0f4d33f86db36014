// The examples of the docs: each can be copied in several languages, and run on the page.
import { type ChatBody, type Snippet, snippetsOf, toCurlGet } from "../format/snippets.ts";
import {
  type Place,
  toEmbeddingPrograms,
  toFeedbackPrograms,
  toMessagePrograms,
  toResponsePrograms,
} from "./programs.ts";

/** One example: a request of the REST API. */
export type Example = {
  readonly id: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  /** Default: none. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** A chat request that goes before it, whose id is added to the body as `request_id`. Default: none. */
  readonly after?: ChatBody;
  /** Its code in each language. */
  readonly programs: (place: Place) => readonly Snippet[];
};

const ask = (content: string, options: Partial<ChatBody> = {}): ChatBody => ({
  model: "auto",
  messages: [{ role: "user", content }],
  ...options,
});

const chat = (id: string, body: ChatBody): Example => ({
  ...{ id, method: "POST", path: "/v1/chat/completions", body },
  programs: (place) => snippetsOf({ ...place, body }),
});

const get = (id: string, path: string): Example => ({
  ...{ id, method: "GET", path },
  programs: (place) => [toCurlGet(place, path)],
});

const post = (
  id: string,
  body: Readonly<Record<string, unknown>>,
  toPrograms: (place: Place, body: Readonly<Record<string, unknown>>) => readonly Snippet[],
): Example => ({
  ...{ id, method: "POST", path: `/v1/${id}`, body },
  programs: (place) => toPrograms(place, body),
});

const rated = ask("Explain entropy to a child.");
const thumb = { thumb: "up", comment: "Just what I asked for." };

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
  responses: post(
    "responses",
    { model: "auto", input: "Name three uses of a brick." },
    toResponsePrograms,
  ),
  messages: post(
    "messages",
    {
      model: "auto",
      max_tokens: 200,
      messages: [{ role: "user", content: "Translate to French: good morning." }],
    },
    toMessagePrograms,
  ),
  embeddings: post(
    "embeddings",
    { model: "text-embedding-3-small", input: "The cat sat on the mat." },
    toEmbeddingPrograms,
  ),
  feedback: {
    ...{ id: "feedback", method: "POST", path: "/v1/feedback", body: thumb, after: rated },
    programs: (place) => toFeedbackPrograms(place, rated, thumb),
  },
  models: get("models", "/v1/models"),
  usage: get("usage", "/v1/usage"),
} as const satisfies Record<string, Example>;
