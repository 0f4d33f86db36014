"""Talks to each model of MODELS through the official SDK's Responses, as an application does, and prints what came: a JSON line each."""

import json
import os

from openai import APIError, NotFoundError, OpenAI
from pydantic import BaseModel


class Person(BaseModel):
    name: str
    age: int


client = OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["API_KEY"])
weather = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
call_weather = {"role": "user", "content": "Please call get_weather."}
with_tools = {"tools": [weather], "tool_choice": "required"}


def calls_in(response):
    return [item for item in response.output if item.type == "function_call"]


def calls_of(response):
    return [[call.name, json.loads(call.arguments)] for call in calls_in(response)]


def seen(response):
    tokens = [response.usage.input_tokens, response.usage.output_tokens]
    return {"text": response.output_text, "end": response.status, "tokens": tokens}


def create(model):
    return seen(client.responses.create(model=model, input="Say hello."))


def stream(model):
    pieces = 0
    with client.responses.stream(model=model, input="Say hello.") as events:
        for event in events:
            pieces += event.type == "response.output_text.delta"
        return {**seen(events.get_final_response()), "many": pieces > 1}


def tools(model):
    first = client.responses.create(model=model, input=[call_weather], **with_tools)
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "18 degrees"}
        for call in calls_in(first)
    ]
    last = client.responses.create(
        model=model, input=[call_weather, *first.output, *results], tools=[weather]
    )
    return {"calls": calls_of(first), "text": last.output_text}


def streamed_tools(model):
    with client.responses.stream(model=model, input=[call_weather], **with_tools) as events:
        return calls_of(events.get_final_response())


def structured(model):
    parsed = client.responses.parse(model=model, input="Who was first?", text_format=Person)
    return parsed.output_parsed.model_dump()


def vision(model):
    image = {"type": "input_image", "image_url": os.environ["IMAGE"], "detail": "auto"}
    content = [{"type": "input_text", "text": "What is this?"}, image]
    message = {"role": "user", "content": content}
    return client.responses.create(model=model, input=[message]).output_text


def broken(model):
    """What had come when the stream broke, and whether the application is told."""
    text = ""
    try:
        for event in client.responses.create(model=model, input="Break off.", stream=True):
            if event.type == "response.output_text.delta":
                text += event.delta
    except APIError:
        return [text, True]
    return [text, False]


def error():
    try:
        client.responses.create(model="no-such-model", input="Say hello.")
    except NotFoundError as refused:
        return [refused.status_code, refused.type]


for name in os.environ["MODELS"].split():
    print(
        json.dumps(
            {
                "create": create(name),
                "stream": stream(name),
                "tools": tools(name),
                "streamedTools": streamed_tools(name),
                "structured": structured(name),
                "vision": vision(name),
                "broken": broken(name),
                "error": error(),
            }
        )
    )
