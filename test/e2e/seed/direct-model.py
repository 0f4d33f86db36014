from openai import OpenAI

client = OpenAI(
    base_url="https://api.optamil.com/v1",
    api_key="YOUR_API_KEY"
)

# Skip Neural Router: use a specific model
response = client.chat.completions.create(
    model="claude-sonnet-4",  # Direct model access
    messages=[
        {"role": "user", "content": "Analyze the implications of quantum error correction."}
    ],
    max_tokens=2000,
    temperature=0.7
)
print(response.choices[0].message.content)
