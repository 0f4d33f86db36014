from openai import OpenAI

client = OpenAI(
    base_url="https://api.optamil.com/v1",
    api_key="YOUR_API_KEY"
)

for model in client.models.list():
    print(model.id)
