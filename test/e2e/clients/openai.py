"""Talks to each model of MODELS through the official SDK, as an application does, and prints what came: a JSON line each."""

import json
import os

from openai import NotFoundError, OpenAI
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


client = OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"])
weather = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


def ask(model, content, **options):
    messages = [{"role": "user", "content": content}]
    return client.chat.completions.create(model=model, messages=messages, **options)


def chat(model):
    completion = ask(model, "Say hello.")
    [choice] = completion.choices
    tokens = completion.usage.total_tokens
    return {"text": choice.message.content, "end": choice.finish_reason, "tokens": tokens}


def stream(model):
    pieces, end, tokens = [], None, None
    options = {"stream": True, "stream_options": {"include_usage": True}}
    for chunk in ask(model, "Say hello.", **options):
        if chunk.usage:
            tokens = chunk.usage.total_tokens
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            end = choice.finish_reason or end
    many = len([piece for piece in pieces if piece]) > 1
    return {"text": "".join(pieces), "end": end, "tokens": tokens, "many": many}


def calls_of(message):
    functions = [call.function for call in message.tool_calls]
    return [[function.name, json.loads(function.arguments)] for function in functions]


def tools(model):
    user = {"role": "user", "content": "Please call get_weather."}
    first = ask(model, user["content"], tools=[weather]).choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
        for call in first.tool_calls
    ]
    last = client.chat.completions.create(
        model=model, messages=[user, first, *results], tools=[weather]
    )
    return {"calls": calls_of(first), "text": last.choices[0].message.content}


def streamed_tools(model):
    messages = [{"role": "user", "content": "Please call get_weather."}]
    with client.chat.completions.stream(model=model, messages=messages, tools=[weather]) as events:
        return calls_of(events.get_final_completion().choices[0].message)


def structured(model):
    completion = client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": "Who was first?"}],
        response_format=Person,
    )
    return completion.choices[0].message.parsed.model_dump()


def vision(model):
    image = {"type": "image_url", "image_url": {"url": os.environ["IMAGE"]}}
    completion = ask(model, [{"type": "text", "text": "What is this?"}, image])
    return completion.choices[0].message.content


def error():
    try:
        ask("no-such-model", "Say hello.")
    except NotFoundError as refused:
        return [refused.status_code, refused.type]


for name in os.environ["MODELS"].split():
    print(
        json.dumps(
            {
                "chat": chat(name),
                "stream": stream(name),
                "tools": tools(name),
                "streamedTools": streamed_tools(name),
                "structured": structured(name),
                "vision": vision(name),
                "error": error(),
            }
        )
    )
