import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "https://api.optamil.com/v1",
  apiKey: "YOUR_API_KEY",
});

for await (const model of client.models.list()) {
  console.log(model.id);
}
