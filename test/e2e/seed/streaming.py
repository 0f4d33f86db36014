from openai import OpenAI

client = OpenAI(
    base_url="https://api.optamil.com/v1",
    api_key="YOUR_API_KEY"
)

stream = client.chat.completions.create(
    model="auto",
    messages=[{"role": "user", "content": "Write a haiku about AI."}],
    stream=True
)
for chunk in stream:
    if chunk.choices[0].delta.content:
        print(chunk.choices[0].delta.content, end="")
