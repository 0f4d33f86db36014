"""Talks to each model of MODELS through Anthropic's SDK, as an application does, and prints what came: a JSON line each."""

import json
import os
import re

from anthropic import Anthropic, NotFoundError

gateway, key = os.environ["GATEWAY"], os.environ["API_KEY"]
client = Anthropic(base_url=gateway, api_key=key)
bearer = Anthropic(base_url=gateway, auth_token=key)
weather = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}
hello = {"role": "user", "content": "Say hello."}
call_weather = {"role": "user", "content": "Please call get_weather."}
with_tools = {"max_tokens": 200, "tools": [weather], "tool_choice": {"type": "any"}}


def text_of(message):
    return next((block.text for block in message.content if block.type == "text"), None)


def calls_of(message):
    return [[block.name, block.input] for block in message.content if block.type == "tool_use"]


def tokens_of(message):
    return [message.usage.input_tokens, message.usage.output_tokens]


def create(model):
    message = bearer.messages.create(model=model, max_tokens=200, messages=[hello])
    return {"text": text_of(message), "end": message.stop_reason, "tokens": tokens_of(message)}


def stream(model):
    with client.messages.stream(model=model, max_tokens=200, messages=[hello]) as events:
        pieces = list(events.text_stream)
        message = events.get_final_message()
    end, tokens = message.stop_reason, tokens_of(message)
    return {"text": "".join(pieces), "end": end, "tokens": tokens, "many": len(pieces) > 1}


def tools(model):
    first = client.messages.create(model=model, messages=[call_weather], **with_tools)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "18 degrees"}
        for block in first.content
        if block.type == "tool_use"
    ]
    messages = [
        call_weather,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": results},
    ]
    last = client.messages.create(model=model, messages=messages, max_tokens=200, tools=[weather])
    return {"calls": calls_of(first), "end": first.stop_reason, "text": text_of(last)}


def streamed_tools(model):
    with client.messages.stream(model=model, messages=[call_weather], **with_tools) as events:
        return calls_of(events.get_final_message())


def vision(model):
    [(media_type, data)] = re.findall("^data:(.*);base64,(.*)$", os.environ["IMAGE"])
    source = {"type": "base64", "media_type": media_type, "data": data}
    content = [{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}]
    messages = [{"role": "user", "content": content}]
    return text_of(client.messages.create(model=model, max_tokens=200, messages=messages))


def count(model):
    return client.messages.count_tokens(model=model, messages=[hello]).input_tokens


def error():
    try:
        client.messages.create(model="no-such-model", max_tokens=200, messages=[hello])
    except NotFoundError as refused:
        return refused.request_id is not None and [refused.status_code, refused.body["error"]["type"]]


for name in os.environ["MODELS"].split():
    print(
        json.dumps(
            {
                "create": create(name),
                "stream": stream(name),
                "tools": tools(name),
                "streamedTools": streamed_tools(name),
                "vision": vision(name),
                "count": count(name),
                "error": error(),
            }
        )
    )
