// Talks to each model of MODELS through the AI SDK's OpenAI provider, which speaks Responses, and prints what came: a JSON line each.
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai";

const { BASE_URL, API_KEY, MODELS, IMAGE } = process.env;
const optamil = createOpenAI({ baseURL: BASE_URL, apiKey: API_KEY });
// Nothing is kept on the gateway: earlier items go as they are, not by their ids.
const providerOptions = { openai: { store: false } };
const weather = {
  description: "Tells the weather of a city.",
  inputSchema: jsonSchema({
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
  }),
};
const person = jsonSchema({
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
});
const callWeather = { prompt: "Please call get_weather.", toolChoice: "required" };
const callsOf = (calls) => calls.map(({ toolName, input }) => [toolName, input]);
const tokensOf = ({ inputTokens, outputTokens }) => [inputTokens, outputTokens];

async function create(model) {
  const answer = await generateText({ model, prompt: "Say hello.", providerOptions });
  return { text: answer.text, end: answer.finishReason, tokens: tokensOf(answer.usage) };
}

async function stream(model) {
  const answer = streamText({ model, prompt: "Say hello.", providerOptions });
  const pieces = [];
  for await (const piece of answer.textStream) pieces.push(piece);
  return {
    ...{ text: pieces.join(""), end: await answer.finishReason },
    ...{ tokens: tokensOf(await answer.usage), many: pieces.length > 1 },
  };
}

async function tools(model) {
  const get_weather = tool({ ...weather, execute: async () => "18 degrees" });
  const { steps, text } = await generateText({
    ...{ model, ...callWeather, tools: { get_weather }, providerOptions },
    stopWhen: isStepCount(2),
    prepareStep: ({ stepNumber }) => (stepNumber === 0 ? {} : { toolChoice: "auto" }),
  });
  return { calls: callsOf(steps[0].toolCalls), text };
}

async function streamedTools(model) {
  const called = { tools: { get_weather: tool(weather) }, providerOptions };
  return callsOf(await streamText({ model, ...callWeather, ...called }).toolCalls);
}

async function structured(model) {
  const output = Output.object({ schema: person, name: "person" });
  const answer = await generateText({ model, prompt: "Who was first?", output, providerOptions });
  return answer.output;
}

async function vision(model) {
  const [, mediaType, data] = /^data:(.*);base64,(.*)$/.exec(IMAGE);
  const content = [
    { type: "text", text: "What is this?" },
    { type: "file", mediaType, data },
  ];
  const messages = [{ role: "user", content }];
  return (await generateText({ model, messages, providerOptions })).text;
}

/** What had come when the stream broke, and whether the application is told. */
async function broken(model) {
  const answer = streamText({ model, prompt: "Break off.", providerOptions, onError: () => {} });
  const parts = [];
  for await (const part of answer.fullStream) parts.push(part);
  const text = parts.flatMap((part) => (part.type === "text-delta" ? part.text : [])).join("");
  return [text, parts.some(({ type }) => type === "error")];
}

async function error() {
  const model = optamil("no-such-model");
  const refused = await generateText({ model, prompt: "Say hello." }).catch((thrown) => thrown);
  return APICallError.isInstance(refused) && [refused.statusCode, refused.data.error.type];
}

for (const name of MODELS.split(" ")) {
  const model = optamil(name);
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
