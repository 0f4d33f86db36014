import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "https://api.optamil.com/v1",
  apiKey: "YOUR_API_KEY",
});

// Skip Neural Router: use a specific model
const response = await client.chat.completions.create({
  model: "claude-sonnet-4", // Direct model access
  messages: [{ role: "user", content: "Analyze the implications of quantum error correction." }],
  max_tokens: 2000,
  temperature: 0.7,
});
console.log(response.choices[0].message.content);
