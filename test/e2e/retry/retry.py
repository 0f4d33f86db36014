"""Asks one chat through the official SDK, with its own retries, and prints the status of every try and the answer."""

import os
import urllib.request

import httpx2
from openai import OpenAI


direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def watch(response: httpx2.Response) -> None:
    print(response.status_code, flush=True)
    if response.status_code == 429:
        direct.open(os.environ["RELEASE_URL"]).read()


client = OpenAI(
    base_url=os.environ["BASE_URL"],
    api_key=os.environ["API_KEY"],
    http_client=httpx2.Client(event_hooks={"response": [watch]}, trust_env=False),
)
completion = client.chat.completions.create(
    model="gpt-4.1", messages=[{"role": "user", "content": "Say hello."}]
)
print(completion.choices[0].message.content)
