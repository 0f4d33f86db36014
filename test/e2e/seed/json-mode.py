from openai import OpenAI

client = OpenAI(
    base_url="https://api.optamil.com/v1",
    api_key="YOUR_API_KEY"
)

response = client.chat.completions.create(
    model="auto",
    response_format={"type": "json_object"},
    messages=[
        {"role": "system", "content": "Respond in JSON."},
        {"role": "user", "content": "List 3 programming languages with their year of creation."}
    ]
)
print(response.choices[0].message.content)
