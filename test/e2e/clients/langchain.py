"""Talks to each model of MODELS through LangChain's ChatOpenAI, as an application does, and prints what came: a JSON line each."""

import json
import os

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import NotFoundError
from pydantic import BaseModel


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return "18 degrees"


def open_model(name):
    return ChatOpenAI(
        model=name,
        base_url=os.environ["BASE_URL"],
        api_key=os.environ["API_KEY"],
        stream_usage=True,
        use_responses_api=False,
    )


def summary(message):
    return {
        "text": message.content,
        "end": message.response_metadata["finish_reason"],
        "tokens": message.usage_metadata["total_tokens"],
    }


def stream(model):
    pieces = list(model.stream("Say hello."))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    many = len([piece for piece in pieces if piece.content]) > 1
    return {**summary(whole), "many": many}


def calls_of(message):
    return [[call["name"], call["args"]] for call in message.tool_calls]


def tools(model):
    able = model.bind_tools([get_weather])
    question = HumanMessage("Please call get_weather.")
    first = able.invoke([question])
    results = [get_weather.invoke(call) for call in first.tool_calls]
    assert all(isinstance(result, ToolMessage) for result in results)
    return {"calls": calls_of(first), "text": able.invoke([question, first, *results]).content}


def streamed_tools(model):
    pieces = list(model.bind_tools([get_weather]).stream("Please call get_weather."))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    return calls_of(whole)


def structured(model):
    able = model.with_structured_output(Person, method="json_schema")
    return able.invoke("Who was first?").model_dump()


def vision(model):
    image = {"type": "image_url", "image_url": {"url": os.environ["IMAGE"]}}
    return model.invoke([HumanMessage([{"type": "text", "text": "What is this?"}, image])]).content


def error():
    try:
        open_model("no-such-model").invoke("Say hello.")
    except NotFoundError as refused:
        return [refused.status_code, refused.type]


for name in os.environ["MODELS"].split():
    chat_model = open_model(name)
    print(
        json.dumps(
            {
                "chat": summary(chat_model.invoke("Say hello.")),
                "stream": stream(chat_model),
                "tools": tools(chat_model),
                "streamedTools": streamed_tools(chat_model),
                "structured": structured(chat_model),
                "vision": vision(chat_model),
                "error": error(),
            }
        )
    )
