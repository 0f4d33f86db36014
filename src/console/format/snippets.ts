// A chat request as code that can be copied.

/** One message of the conversation. */
export type SnippetMessage = { readonly role: string; readonly content: string };

/** The body of a chat request: OpenAI's, and this gateway's own options under `optamil`. */
export type ChatBody = {
  readonly model: string;
  readonly messages: readonly SnippetMessage[];
  readonly stream?: boolean;
  readonly max_tokens?: number;
  readonly temperature?: number;
  readonly response_format?: { readonly type: string };
  readonly optamil?: { readonly quality: number };
};

/** The request, where it goes and who pays. */
export type SnippetRequest = {
  /** Origin of the gateway, without a path. */
  readonly origin: string;
  /** The key, or what stands for it. */
  readonly key: string;
  readonly body: ChatBody;
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

/** A call of a route without a body, in curl. */
export function toCurlGet({ origin, key }: Omit<SnippetRequest, "body">, path: string): Snippet {
  return { name: "curl", text: `curl ${origin}${path} \\\n  -H "Authorization: Bearer ${key}"` };
}

/** A text as one word of a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A text whose lines after the first are moved to the right. */
export function indented(text: string, spaces: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(spaces)}`);
}

function toCurl({ origin, key, body }: SnippetRequest): string {
  return toCurlPost({ origin, key }, "/v1/chat/completions", body, body.stream ? "-N " : "");
}

/** A call of a route with a body, in curl; `options` go before its URL, each with a space after it. */
export function toCurlPost(
  { origin, key }: Omit<SnippetRequest, "body">,
  path: string,
  body: object,
  options = "",
): string {
  return `curl ${options}${origin}${path} \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d ${indented(quoted(JSON.stringify(body, undefined, 2)), 2)}`;
}

/** A JSON value as Python writes it. */
export function toPythonValue(value: unknown): string {
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) {
    return `[\n${value.map((item) => `    ${toPythonValue(item)},\n`).join("")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const pairs = Object.entries(value).map(([name, one]) => `"${name}": ${toPythonValue(one)}`);
    return `{${pairs.join(", ")}}`;
  }
  return JSON.stringify(value);
}

function toPython({ origin, key, body: { optamil, ...body } }: SnippetRequest): string {
  const own = optamil === undefined ? {} : { extra_body: { optamil } };
  const values = Object.entries({ ...body, ...own }).map(
    ([name, value]) => `    ${name}=${indented(toPythonValue(value), 4)},\n`,
  );
  const show = body.stream
    ? `for chunk in answer:
    if chunk.choices and chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")`
    : "print(answer.choices[0].message.content)";
  return `from openai import OpenAI

client = OpenAI(base_url="${origin}/v1", api_key="${key}")
answer = client.chat.completions.create(
${values.join("")})
${show}`;
}

/** A JSON value as TypeScript writes it. */
export function toTypeScriptValue(value: unknown): string {
  if (Array.isArray(value)) {
    return `[\n${value.map((item) => `  ${toTypeScriptValue(item)},\n`).join("")}]`;
  }
  if (typeof value === "object" && value !== null) {
    const pairs = Object.entries(value).map(([name, one]) => `${name}: ${toTypeScriptValue(one)}`);
    return `{ ${pairs.join(", ")} }`;
  }
  return JSON.stringify(value);
}

function toTypeScript({ origin, key, body }: SnippetRequest): string {
  const values = Object.entries(body).map(([name, value]) => {
    const line = `  ${name}: ${indented(toTypeScriptValue(value), 2)},\n`;
    return name === "optamil"
      ? `  // @ts-expect-error: an option of this gateway, not of OpenAI\n${line}`
      : line;
  });
  const show = body.stream
    ? `for await (const chunk of answer) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}`
    : "console.log(answer.choices[0]?.message.content);";
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${origin}/v1", apiKey: "${key}" });
const answer = await client.chat.completions.create({
${values.join("")}});
${show}`;
}

function toGrpcurl({ origin, key, body }: SnippetRequest): string {
  const { stream, ...asked } = body;
  const messages = body.messages.map(({ role, content }) => ({ role, content: { text: content } }));
  const method = stream ? "StreamChatCompletion" : "CreateChatCompletion";
  return toGrpcurlCall({ origin, key }, `ChatService/${method}`, { ...asked, messages });
}

/** A call of a method of `optamil.v1` in grpcurl. */
export function toGrpcurlCall(
  { origin, key }: Omit<SnippetRequest, "body">,
  method: string,
  message: object,
): string {
  const data = indented(quoted(JSON.stringify(message, undefined, 2)), 2);
  return toGrpcurlCommand({ origin, key }, method, data);
}

/** The same with its message as a word of the shell; `options` go first, each with a space after it. */
export function toGrpcurlCommand(
  { origin, key }: Omit<SnippetRequest, "body">,
  method: string,
  data: string,
  options = "",
): string {
  const { host, protocol, port } = new URL(origin);
  const secure = protocol === "https:";
  const target = secure && port === "" ? `${host}:443` : host;
  const plain = secure ? "" : "-plaintext ";
  return `grpcurl ${options}${plain}-H "authorization: Bearer ${key}" \\
  -d ${data} \\
  ${target} optamil.v1.${method}`;
}
