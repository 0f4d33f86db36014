import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "https://api.optamil.com/v1",
  apiKey: "YOUR_API_KEY",
});

const response = await client.chat.completions.create({
  model: "auto",
  response_format: { type: "json_object" },
  messages: [
    { role: "system", content: "Respond in JSON." },
    { role: "user", content: "List 3 programming languages with their year of creation." },
  ],
});
console.log(response.choices[0].message.content);
