// A chat request as code that can be copied.

/** The request. */
export type SnippetRequest = {
  /** Origin of the gateway, without a path. */
  readonly origin: string;
  /** The key, or what stands for it. */
  readonly key: string;
  readonly model: string;
  readonly prompt: string;
  /** Instructions before the prompt. Default: none. */
  readonly system?: string;
  /** Whether the answer is streamed. Default false. */
  readonly stream?: boolean;
  /** How good an answer of `auto` must be, 0 to 1. Default: the account's. */
  readonly quality?: number | undefined;
};

/** Code in one language. */
export type Snippet = { readonly name: string; readonly text: string };

/** The request in curl, Python, TypeScript and grpcurl. */
export function snippetsOf(request: SnippetRequest): readonly Snippet[] {
  return [
    { name: "curl", text: toCurl(request) },
    { name: "Python", text: toPython(request) },
    { name: "TypeScript", text: toTypeScript(request) },
    { name: "grpcurl", text: toGrpcurl(request) },
  ];
}

type Message = { readonly role: string; readonly content: string };

function messagesOf({ prompt, system = "" }: SnippetRequest): readonly Message[] {
  const asked = { role: "user", content: prompt };
  return system === "" ? [asked] : [{ role: "system", content: system }, asked];
}

/** A text as one word of a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function optionsOf({ model, stream, quality }: SnippetRequest): Record<string, unknown> {
  return {
    ...(stream === true && { stream: true }),
    ...(quality !== undefined && model === "auto" && { optamil: { quality } }),
  };
}

function toCurl(request: SnippetRequest): string {
  const { origin, key, model, stream } = request;
  const body = { model, messages: messagesOf(request), ...optionsOf(request) };
  return `curl ${stream ? "-N " : ""}${origin}/v1/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d ${quoted(JSON.stringify(body, undefined, 2))}`;
}

function toPython(request: SnippetRequest): string {
  const { origin, key, model, stream, quality } = request;
  const messages = messagesOf(request).map((message) => `        ${JSON.stringify(message)},`);
  const extra =
    quality !== undefined && model === "auto"
      ? `\n    extra_body={"optamil": {"quality": ${quality}}},`
      : "";
  const show = stream
    ? `for chunk in answer:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")`
    : "print(answer.choices[0].message.content)";
  return `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="${key}")
answer = client.chat.completions.create(
    model=${JSON.stringify(model)},
    messages=[
${messages.join("\n")}
    ],${stream ? "\n    stream=True," : ""}${extra}
)
${show}`;
}

function toTypeScript(request: SnippetRequest): string {
  const { origin, key, model, stream, quality } = request;
  const messages = messagesOf(request).map(
    ({ role, content }) => `    { role: "${role}", content: ${JSON.stringify(content)} },`,
  );
  const extra =
    quality !== undefined && model === "auto"
      ? `\n  // @ts-expect-error: an option of this gateway, not of OpenAI\n  optamil: { quality: ${quality} },`
      : "";
  const show = stream
    ? `for await (const chunk of answer) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}`
    : "console.log(answer.choices[0]?.message.content);";
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${origin}/v1", apiKey: "${key}" });
const answer = await client.chat.completions.create({
  model: ${JSON.stringify(model)},
  messages: [
${messages.join("\n")}
  ],${stream ? "\n  stream: true," : ""}${extra}
});
${show}`;
}

function toGrpcurl(request: SnippetRequest): string {
  const { origin, key, model, stream } = request;
  const { host, protocol } = new URL(origin);
  const messages = messagesOf(request).map(({ role, content }) => ({
    role,
    content: { text: content },
  }));
  const body = {
    model,
    messages,
    ...(request.quality !== undefined && { optamil: { quality: request.quality } }),
  };
  const method = stream ? "StreamChatCompletion" : "CreateChatCompletion";
  return `grpcurl ${protocol === "https:" ? "" : "-plaintext "}-H "authorization: Bearer ${key}" \\
  -d ${quoted(JSON.stringify(body, undefined, 2))} \\
  ${protocol === "https:" ? `${host}:443`.replace(/:(\d+):443$/, ":$1") : host} optamil.v1.ChatService/${method}`;
}
