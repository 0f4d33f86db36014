// Talks to each model of MODELS through the AI SDK's Anthropic provider, as an application does, and prints what came: a JSON line each.
import { createAnthropic } from "@ai-sdk/anthropic";
import { APICallError, generateText, isStepCount, jsonSchema, streamText, tool } from "ai";

const { GATEWAY, API_KEY, MODELS, IMAGE } = process.env;
const optamil = createAnthropic({ baseURL: `${GATEWAY}/v1`, apiKey: API_KEY });
const weather = {
  description: "Tells the weather of a city.",
  inputSchema: jsonSchema({
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
  }),
};
const callWeather = "Please call get_weather.";
const callsOf = (calls) => calls.map(({ toolName, input }) => [toolName, input]);

async function create(model) {
  const { text, finishReason, usage } = await generateText({ model, prompt: "Say hello." });
  return { text, end: finishReason, tokens: [usage.inputTokens, usage.outputTokens] };
}

async function stream(model) {
  const answer = streamText({ model, prompt: "Say hello." });
  const pieces = [];
  for await (const piece of answer.textStream) pieces.push(piece);
  const { inputTokens, outputTokens } = await answer.usage;
  const end = await answer.finishReason;
  return {
    ...{ text: pieces.join(""), end, tokens: [inputTokens, outputTokens] },
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
  return { calls: callsOf(steps[0].toolCalls), end: steps[0].finishReason, text };
}

async function streamedTools(model) {
  const answer = streamText({ model, prompt: callWeather, tools: { get_weather: tool(weather) } });
  return callsOf(await answer.toolCalls);
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
    create: await create(model),
    stream: await stream(model),
    tools: await tools(model),
    streamedTools: await streamedTools(model),
    vision: await vision(model),
    error: await error(),
  };
  console.log(JSON.stringify(came));
}
