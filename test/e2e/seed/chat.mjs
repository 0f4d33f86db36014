import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "https://api.optamil.com/v1",
  apiKey: "YOUR_API_KEY",
});

const response = await client.chat.completions.create({
  model: "auto", // Neural Router picks the best model
  messages: [{ role: "user", content: "Explain quantum computing in one sentence." }],
});
console.log(response.choices[0].message.content);
