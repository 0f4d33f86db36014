// Asks each model of MODELS for vectors through the official SDK, as an application does, and prints what came: a JSON line each.
import OpenAI from "openai";

const { BASE_URL, API_KEY, MODELS } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY });

/** Of each vector its length, its first number, and whether that is the form that was asked for. */
const see = ({ data, model, usage }) => ({
  vectors: data.map(({ embedding, index, object }) => [object, index, ...shape(embedding)]),
  model,
  tokens: [usage.prompt_tokens, usage.total_tokens],
});
const shape = (vector) =>
  typeof vector === "string" ? ["base64", vector] : [vector.length, ...vector.slice(0, 2)];

/** By default the SDK asks for base64 and decodes it. */
async function text(model) {
  return see(await client.embeddings.create({ model, input: "Hello." }));
}

async function float(model) {
  const options = { encoding_format: "float", dimensions: 3, user: "u" };
  return see(await client.embeddings.create({ model, input: ["Hello.", "You too."], ...options }));
}

async function base64(model) {
  const options = { encoding_format: "base64", dimensions: 1 };
  return see(await client.embeddings.create({ model, input: ["Hello."], ...options }));
}

async function error() {
  const request = { model: "no-such-model", input: "Hello." };
  const refused = await client.embeddings.create(request).catch((thrown) => thrown);
  return refused instanceof OpenAI.NotFoundError && [refused.status, refused.type];
}

for (const model of MODELS.split(" ")) {
  const came = {
    text: await text(model),
    float: await float(model),
    base64: await base64(model),
    error: await error(),
  };
  console.log(JSON.stringify(came));
}
