// Talks to each model of MODELS through Anthropic's SDK, as an application does, and prints what came: a JSON line each.
import Anthropic from "@anthropic-ai/sdk";

const { GATEWAY, API_KEY, MODELS, IMAGE } = process.env;
const client = new Anthropic({ baseURL: GATEWAY, apiKey: API_KEY });
const bearer = new Anthropic({ baseURL: GATEWAY, apiKey: null, authToken: API_KEY });
const weather = {
  name: "get_weather",
  input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const hello = { role: "user", content: "Say hello." };
const callWeather = { role: "user", content: "Please call get_weather." };
const withTools = { max_tokens: 200, tools: [weather], tool_choice: { type: "any" } };

const textOf = ({ content }) => content.find(({ type }) => type === "text")?.text;
const callsOf = ({ content }) =>
  content.filter(({ type }) => type === "tool_use").map(({ name, input }) => [name, input]);

async function create(model) {
  const message = await bearer.messages.create({ model, max_tokens: 200, messages: [hello] });
  const { stop_reason: end, usage } = message;
  return { text: textOf(message), end, tokens: [usage.input_tokens, usage.output_tokens] };
}

async function stream(model) {
  const events = client.messages.stream({ model, max_tokens: 200, messages: [hello] });
  const pieces = [];
  events.on("text", (piece) => pieces.push(piece));
  const message = await events.finalMessage();
  const { stop_reason: end, usage } = message;
  const tokens = [usage.input_tokens, usage.output_tokens];
  return { text: pieces.join(""), end, tokens, many: pieces.length > 1 };
}

async function tools(model) {
  const first = await client.messages.create({ model, messages: [callWeather], ...withTools });
  const results = first.content
    .filter(({ type }) => type === "tool_use")
    .map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "18 degrees" }));
  const messages = [
    callWeather,
    { role: "assistant", content: first.content },
    { role: "user", content: results },
  ];
  const last = await client.messages.create({ model, messages, max_tokens: 200, tools: [weather] });
  return { calls: callsOf(first), end: first.stop_reason, text: textOf(last) };
}

async function streamedTools(model) {
  const request = { model, messages: [callWeather], ...withTools };
  return callsOf(await client.messages.stream(request).finalMessage());
}

async function vision(model) {
  const [, media_type, data] = /^data:(.*);base64,(.*)$/.exec(IMAGE);
  const image = { type: "image", source: { type: "base64", media_type, data } };
  const content = [{ type: "text", text: "What is this?" }, image];
  const messages = [{ role: "user", content }];
  return textOf(await client.messages.create({ model, max_tokens: 200, messages }));
}

async function count(model) {
  return (await client.messages.countTokens({ model, messages: [hello] })).input_tokens;
}

async function error() {
  const request = { model: "no-such-model", max_tokens: 200, messages: [hello] };
  const refused = await client.messages.create(request).catch((thrown) => thrown);
  const known = refused instanceof Anthropic.NotFoundError && typeof refused.requestID === "string";
  return known && [refused.status, refused.error.error.type];
}

for (const model of MODELS.split(" ")) {
  const came = {
    create: await create(model),
    stream: await stream(model),
    tools: await tools(model),
    streamedTools: await streamedTools(model),
    vision: await vision(model),
    count: await count(model),
    error: await error(),
  };
  console.log(JSON.stringify(came));
}
