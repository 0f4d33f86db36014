// Talks to each model of MODELS through the AI SDK, as an application does, and prints what came: a JSON line each.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai";

const { BASE_URL, API_KEY, MODELS, IMAGE } = process.env;
const optamil = createOpenAICompatible({
  name: "optamil",
  baseURL: BASE_URL,
  apiKey: API_KEY,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
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
const callWeather = "Please call get_weather.";
const callsOf = (calls) => calls.map(({ toolName, input }) => [toolName, input]);

async function chat(model) {
  const { text, finishReason, usage } = await generateText({ model, prompt: "Say hello." });
  return { text, end: finishReason, tokens: usage.totalTokens };
}

async function stream(model) {
  const answer = streamText({ model, prompt: "Say hello." });
  const pieces = [];
  for await (const piece of answer.textStream) pieces.push(piece);
  const { totalTokens: tokens } = await answer.usage;
  return {
    text: pieces.join(""),
    end: await answer.finishReason,
    tokens,
    many: pieces.length > 1,
  };
}

async function tools(model) {
  const get_weather = tool({ ...weather, execute: async () => "18 degrees" });
  const { steps, text } = await generateText({
    model,
    prompt: callWeather,
    tools: { get_weather },
    stopWhen: isStepCount(2),
  });
  return { calls: callsOf(steps[0].toolCalls), text };
}

async function streamedTools(model) {
  const answer = streamText({ model, prompt: callWeather, tools: { get_weather: tool(weather) } });
  return callsOf(await answer.toolCalls);
}

async function structured(model) {
  const output = Output.object({ schema: person, name: "person" });
  return (await generateText({ model, prompt: "Who was first?", output })).output;
}

async function vision(model) {
  const [, mediaType, data] = /^data:(.*);base64,(.*)$/.exec(IMAGE);
  const content = [
    { type: "text", text: "What is this?" },
    { type: "file", mediaType, data },
  ];
  return (await generateText({ model, messages: [{ role: "user", content }] })).text;
}

async function error() {
  const model = optamil("no-such-model");
  const refused = await generateText({ model, prompt: "Say hello." }).catch((thrown) => thrown);
  return APICallError.isInstance(refused) && [refused.statusCode, refused.data.error.type];
}

for (const name of MODELS.split(" ")) {
  const model = optamil(name);
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
