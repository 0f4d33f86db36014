// What is no chat completion as code that can be copied: responses, messages, embeddings, feedback.
import {
  indented,
  type Snippet,
  toCurlPost,
  toGrpcurlCall,
  toGrpcurlCommand,
  toPythonValue,
  toTypeScriptValue,
} from "../format/snippets.ts";

/** Where requests go, and who pays. */
export type Place = { readonly origin: string; readonly key: string };

type Values = Readonly<Record<string, unknown>>;

/** `POST /v1/responses` with a text as its input. */
export function toResponsePrograms(place: Place, body: Values): readonly Snippet[] {
  return [
    { name: "curl", text: toCurlPost(place, "/v1/responses", body) },
    openAiPython(place, "responses.create", body, "print(answer.output_text)"),
    openAiTypeScript(place, "responses.create", body, "console.log(answer.output_text);"),
    grpcurl(place, "ResponseService/CreateResponse", { ...body, input: textOf(body["input"]) }),
  ];
}

/** `POST /v1/messages` with texts as its turns. */
export function toMessagePrograms(place: Place, body: Values): readonly Snippet[] {
  const { origin, key } = place;
  const messages = textTurns(body["messages"]);
  return [
    { name: "curl", text: toCurlPost(place, "/v1/messages", body) },
    {
      name: "Python",
      text: `from anthropic import Anthropic

client = Anthropic(base_url="${origin}", api_key="${key}")
answer = client.messages.create(
${pythonArguments(body)})
print(answer.content[0].text)`,
    },
    {
      name: "TypeScript",
      text: `import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: "${origin}", apiKey: "${key}" });
const answer = await client.messages.create({
${typeScriptMembers(body)}});
for (const block of answer.content) if (block.type === "text") console.log(block.text);`,
    },
    grpcurl(place, "MessageService/CreateMessage", { ...body, messages }),
  ];
}

/** `POST /v1/embeddings` with one text as its input. */
export function toEmbeddingPrograms(place: Place, body: Values): readonly Snippet[] {
  const typed = "console.log(answer.data[0]?.embedding.length);";
  return [
    { name: "curl", text: toCurlPost(place, "/v1/embeddings", body) },
    openAiPython(place, "embeddings.create", body, "print(len(answer.data[0].embedding))"),
    openAiTypeScript(place, "embeddings.create", body, typed),
    grpcurl(place, "EmbeddingService/CreateEmbedding", { ...body, input: textOf(body["input"]) }),
  ];
}

/**
 * `POST /v1/feedback` on a chat request that is sent first. A request can be rated about a second after its end: until
 * then the answer is 404 with Retry-After, which OpenAI's clients heed by themselves.
 */
export function toFeedbackPrograms(place: Place, asked: Values, said: Values): readonly Snippet[] {
  const { origin, key } = place;
  const raw = "chat.completions.with_raw_response.create";
  const python = `print(client.post("/feedback", cast_to=object, body={
    "request_id": answer.headers["x-request-id"],
${Object.entries(said)
  .map(([name, value]) => `    "${name}": ${toPythonValue(value)},\n`)
  .join("")}}))`;
  const typed = `console.log(await client.post("/feedback", {
  body: {
    request_id: answer.response.headers.get("x-request-id"),
${indented(`    ${typeScriptMembers(said).trim()}`, 2)}
  },
}));`;
  const rated = { request_id: "$REQUEST_ID", ...said };
  const chat = toCurlPost(
    place,
    "/v1/chat/completions",
    asked,
    "-s -o answer.json -D headers.txt ",
  );
  return [
    {
      name: "curl",
      text: `${chat}
REQUEST_ID=$(tr -d '\\r' < headers.txt | sed -n 's/^x-request-id: //p')
curl -s -f --retry 5 --retry-all-errors ${origin}/v1/feedback \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d ${doubleQuoted(JSON.stringify(rated))}`,
    },
    openAiPython(place, raw, asked, python),
    {
      name: "TypeScript",
      text: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${origin}/v1", apiKey: "${key}" });
const answer = await client.chat.completions.create({
${typeScriptMembers(asked)}}).withResponse();
${typed}`,
    },
    { name: "grpcurl", text: grpcurlFeedback(place, asked, rated) },
  ];
}

/** grpcurl prints an answer's headers if it is asked to, and tries nothing again. */
function grpcurlFeedback(place: Place, { messages, ...asked }: Values, rated: Values): string {
  const chat = toGrpcurlCommand(
    place,
    "ChatService/CreateChatCompletion",
    doubleQuoted(JSON.stringify({ ...asked, messages: textTurns(messages) })),
    "-v ",
  );
  const rate = toGrpcurlCommand(
    place,
    "FeedbackService/CreateFeedback",
    doubleQuoted(JSON.stringify(rated)),
  );
  return `REQUEST_ID=$(${chat} | sed -n 's/^x-request-id: //p')
for TRY in 1 2 3 4 5; do
  ${indented(rate, 2)} && break
  sleep 1
done`;
}

/** Turns of texts in the form that the protos give them. */
function textTurns(turns: unknown) {
  return (Array.isArray(turns) ? turns : []).map((turn) => ({
    ...turn,
    content: textOf(turn.content),
  }));
}

/** A text in the form that the protos give it. */
function textOf(text: unknown) {
  return { text };
}

/** A text as one word of a POSIX shell, in which variables are put in. */
function doubleQuoted(text: string): string {
  return `"${text.replaceAll('"', '\\"')}"`;
}

function pythonArguments(values: Values): string {
  return Object.entries(values)
    .map(([name, value]) => `    ${name}=${indented(toPythonValue(value), 4)},\n`)
    .join("");
}

function typeScriptMembers(values: Values): string {
  return Object.entries(values)
    .map(([name, value]) => `  ${name}: ${indented(toTypeScriptValue(value), 2)},\n`)
    .join("");
}

function openAiPython(place: Place, method: string, body: Values, show: string): Snippet {
  const text = `from openai import OpenAI

client = OpenAI(base_url="${place.origin}/v1", api_key="${place.key}")
answer = client.${method}(
${pythonArguments(body)})
${show}`;
  return { name: "Python", text };
}

function openAiTypeScript(place: Place, method: string, body: Values, show: string): Snippet {
  const text = `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${place.origin}/v1", apiKey: "${place.key}" });
const answer = await client.${method}({
${typeScriptMembers(body)}});
${show}`;
  return { name: "TypeScript", text };
}

function grpcurl(place: Place, method: string, message: object): Snippet {
  return { name: "grpcurl", text: toGrpcurlCall(place, method, message) };
}
