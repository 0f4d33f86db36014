"""Asks each model of MODELS for vectors through the official SDK, as an application does, and prints what came: a JSON line each."""

import json
import os

from openai import NotFoundError, OpenAI

client = OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"])


def shape(vector):
    return ["base64", vector] if isinstance(vector, str) else [len(vector), *vector[:2]]


def see(answer):
    """Of each vector its length and its first numbers, or its text."""
    vectors = [[one.object, one.index, *shape(one.embedding)] for one in answer.data]
    tokens = [answer.usage.prompt_tokens, answer.usage.total_tokens]
    return {"vectors": vectors, "model": answer.model, "tokens": tokens}


def ask(model, given, **options):
    return see(client.embeddings.create(model=model, input=given, **options))


def error():
    try:
        ask("no-such-model", "Hello.")
    except NotFoundError as refused:
        return [refused.status_code, refused.type]


for name in os.environ["MODELS"].split():
    both = ["Hello.", "You too."]
    print(
        json.dumps(
            {
                # By default the SDK asks for base64 and decodes it.
                "text": ask(name, "Hello."),
                "float": ask(name, both, encoding_format="float", dimensions=3, user="u"),
                "base64": ask(name, ["Hello."], encoding_format="base64", dimensions=1),
                "error": error(),
            }
        )
    )
