// `optamil examples`: a program for each API of the gateway, with that API's official client for Python.
import { parseArgs } from "node:util";
import { type Command, UsageError } from "./command.ts";

/** How the client of an API is made, and what is asked of it. */
type Example = { readonly client: "openai" | "anthropic"; readonly lines: readonly string[] };

const hello = 'hello = [{"role": "user", "content": "Say hello."}]';

/** By the API's name. */
const examples: Readonly<Record<string, Example>> = {
  chat: {
    client: "openai",
    lines: [
      hello,
      'answer = client.chat.completions.create(model="auto", messages=hello)',
      "print(answer.choices[0].message.content)",
    ],
  },
  responses: {
    client: "openai",
    lines: ['print(client.responses.create(model="auto", input="Say hello.").output_text)'],
  },
  messages: {
    client: "anthropic",
    lines: [
      hello,
      'with client.messages.stream(model="auto", max_tokens=200, messages=hello) as stream:',
      "    print(stream.get_final_text())",
    ],
  },
  embeddings: {
    client: "openai",
    lines: [
      'vectors = client.embeddings.create(model="text-embedding-3-small", input=["a cat", "two cats"])',
      "print([len(one.embedding) for one in vectors.data])",
    ],
  },
  feedback: {
    client: "openai",
    lines: [
      hello,
      'answer = client.chat.completions.with_raw_response.create(model="auto", messages=hello)',
      'rated = {"request_id": answer.headers["x-request-id"], "thumb": "up", "comment": "Kind."}',
      'print(client.post("/feedback", body=rated, cast_to=object))',
    ],
  },
};

const names = Object.keys(examples).join("|");

/** Prints one program, or all of them. */
export const examplesCommand: Command = {
  usage: `examples [${names}] [--url URL] [--key-file FILE]`,
  summary: "Print a Python program for each API, by its official client.",
  async run(words, context) {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { url: { type: "string" }, "key-file": { type: "string" } },
    });
    const [name, ...others] = positionals;
    const known = name === undefined || Object.hasOwn(examples, name);
    if (!known || others.length > 0) throw new UsageError(`name one of ${names}, or none for all`);
    const place = {
      url: values.url ?? "http://127.0.0.1:8080",
      keyFile: values["key-file"] ?? ".optamil/first-key",
    };
    const chosen = Object.entries(examples).filter(([api]) => name === undefined || api === name);
    context.print(chosen.map(([api, example]) => toProgram(api, example, place)).join("\n\n"));
    return 0;
  },
};

type Place = { readonly url: string; readonly keyFile: string };

function toProgram(api: string, { client, lines }: Example, { url, keyFile }: Place): string {
  const name = client === "openai" ? "OpenAI" : "Anthropic";
  const base = client === "openai" ? `${url}/v1` : url;
  // JSON's strings are Python's too.
  const key = `open(${JSON.stringify(keyFile)}).read().strip()`;
  return [
    `# ${api}: pip install ${client}`,
    `from ${client} import ${name}`,
    "",
    `client = ${name}(base_url=${JSON.stringify(base)}, api_key=${key})`,
    ...lines,
  ].join("\n");
}
