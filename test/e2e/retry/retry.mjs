// Asks one chat through the official SDK, with its own retries, and prints the status of every try and the answer.
import OpenAI from "openai";

const watch = async (url, init) => {
  const response = await fetch(url, init);
  console.log(response.status);
  if (response.status === 429) await fetch(process.env.RELEASE_URL);
  return response;
};
const client = new OpenAI({
  baseURL: process.env.BASE_URL,
  apiKey: process.env.API_KEY,
  fetch: watch,
});
const completion = await client.chat.completions.create({
  model: "gpt-4.1",
  messages: [{ role: "user", content: "Say hello." }],
});
console.log(completion.choices[0].message.content);
