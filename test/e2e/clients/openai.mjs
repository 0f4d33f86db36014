// Talks to each model of MODELS through the official SDK, as an application does, and prints what came: a JSON line each.
import OpenAI from "openai";

const { BASE_URL, API_KEY, MODELS, IMAGE } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY });
const weather = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};
const schema = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};
const callWeather = { role: "user", content: "Please call get_weather." };

const ask = (model, content, options = {}) =>
  client.chat.completions.create({ model, messages: [{ role: "user", content }], ...options });
const callsOf = ({ tool_calls }) =>
  tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]);

async function chat(model) {
  const { choices, usage } = await ask(model, "Say hello.");
  const [{ message, finish_reason }] = choices;
  return { text: message.content, end: finish_reason, tokens: usage.total_tokens };
}

async function stream(model) {
  const pieces = [];
  let end;
  let tokens;
  const options = { stream: true, stream_options: { include_usage: true } };
  for await (const { choices, usage } of await ask(model, "Say hello.", options)) {
    if (usage) tokens = usage.total_tokens;
    for (const { delta, finish_reason } of choices) {
      if (delta.content) pieces.push(delta.content);
      end = finish_reason ?? end;
    }
  }
  return { text: pieces.join(""), end, tokens, many: pieces.length > 1 };
}

async function tools(model) {
  const first = await ask(model, callWeather.content, { tools: [weather] });
  const [{ message }] = first.choices;
  const results = message.tool_calls.map(({ id }) => ({
    role: "tool",
    tool_call_id: id,
    content: "18 degrees",
  }));
  const messages = [callWeather, message, ...results];
  const last = await client.chat.completions.create({ model, messages, tools: [weather] });
  return { calls: callsOf(message), text: last.choices[0].message.content };
}

async function streamedTools(model) {
  const request = { model, messages: [callWeather], tools: [weather] };
  return callsOf(await client.chat.completions.stream(request).finalMessage());
}

async function structured(model) {
  const json_schema = { name: "person", strict: true, schema };
  const response_format = { type: "json_schema", json_schema };
  const { choices } = await ask(model, "Who was first?", { response_format });
  return JSON.parse(choices[0].message.content);
}

async function vision(model) {
  const image = { type: "image_url", image_url: { url: IMAGE } };
  const { choices } = await ask(model, [{ type: "text", text: "What is this?" }, image]);
  return choices[0].message.content;
}

async function error() {
  const refused = await ask("no-such-model", "Say hello.").catch((thrown) => thrown);
  return refused instanceof OpenAI.NotFoundError && [refused.status, refused.type];
}

for (const model of MODELS.split(" ")) {
  const came = {
    chat: await chat(model),
    stream: await stream(model),
    tools: await tools(model),
    streamedTools: await streamedTools(model),
    structured: await structured(model),
    vision: await vision(model),
    error: await error(),
  };
  console.log(JSON.stringify(came));
}
