// Talks to each model of MODELS through the official SDK's Responses, as an application does, and prints what came: a JSON line each.
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const { BASE_URL, API_KEY, MODELS, IMAGE } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY });
const weather = {
  type: "function",
  name: "get_weather",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};
const Person = z.object({ name: z.string(), age: z.number().int() });
const callWeather = { role: "user", content: "Please call get_weather." };
const withTools = { tools: [weather], tool_choice: "required" };

const callsIn = ({ output }) => output.filter(({ type }) => type === "function_call");
const callsOf = (response) =>
  callsIn(response).map((call) => [call.name, JSON.parse(call.arguments)]);
const seen = ({ output_text, status, usage }) => ({
  ...{ text: output_text, end: status },
  tokens: [usage.input_tokens, usage.output_tokens],
});

async function create(model) {
  return seen(await client.responses.create({ model, input: "Say hello." }));
}

async function stream(model) {
  const events = client.responses.stream({ model, input: "Say hello." });
  let pieces = 0;
  events.on("response.output_text.delta", () => {
    pieces += 1;
  });
  return { ...seen(await events.finalResponse()), many: pieces > 1 };
}

async function tools(model) {
  const first = await client.responses.create({ model, input: [callWeather], ...withTools });
  const results = callsIn(first).map(({ call_id }) => ({
    type: "function_call_output",
    call_id,
    output: "18 degrees",
  }));
  const input = [callWeather, ...first.output, ...results];
  const last = await client.responses.create({ model, input, tools: [weather] });
  return { calls: callsOf(first), text: last.output_text };
}

async function streamedTools(model) {
  const request = { model, input: [callWeather], ...withTools };
  return callsOf(await client.responses.stream(request).finalResponse());
}

async function structured(model) {
  const text = { format: zodTextFormat(Person, "person") };
  const { output_parsed } = await client.responses.parse({ model, input: "Who was first?", text });
  return output_parsed;
}

async function vision(model) {
  const content = [
    { type: "input_text", text: "What is this?" },
    { type: "input_image", image_url: IMAGE, detail: "auto" },
  ];
  const input = [{ role: "user", content }];
  return (await client.responses.create({ model, input })).output_text;
}

/** What had come when the stream broke, and whether the application is told. */
async function broken(model) {
  let text = "";
  try {
    const request = { model, input: "Break off.", stream: true };
    for await (const event of await client.responses.create(request)) {
      if (event.type === "response.output_text.delta") text += event.delta;
    }
  } catch (thrown) {
    return [text, thrown instanceof OpenAI.APIError];
  }
  return [text, false];
}

async function error() {
  const request = { model: "no-such-model", input: "Say hello." };
  const refused = await client.responses.create(request).catch((thrown) => thrown);
  return refused instanceof OpenAI.NotFoundError && [refused.status, refused.type];
}

for (const model of MODELS.split(" ")) {
  const came = {
    create: await create(model),
    stream: await stream(model),
    tools: await tools(model),
    streamedTools: await streamedTools(model),
    structured: await structured(model),
    vision: await vision(model),
    broken: await broken(model),
    error: await error(),
  };
  console.log(JSON.stringify(came));
}
