"""Calls a gateway by gRPC, with stubs made from proto/, and prints what it saw as one JSON object.

Arguments: address of the gateway, API key.
"""

import json
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from google.rpc import error_details_pb2, status_pb2
from optamil.v1 import chat_pb2, chat_pb2_grpc, models_pb2, models_pb2_grpc

address, key = sys.argv[1:]
metadata = [("authorization", f"Bearer {key}"), ("x-request-id", "from-python")]


def chat_request(model):
    content = chat_pb2.ChatContent(text="Say hello.")
    message = chat_pb2.ChatMessage(role="user", content=content)
    return chat_pb2.CreateChatCompletionRequest(model=model, messages=[message])


def describe_error(call):
    trailers = dict(call.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return {
        "code": call.code().name,
        "message": call.details(),
        "status": {"code": status.code, "message": status.message},
        "info": {
            "reason": info.reason,
            "domain": info.domain,
            "metadata": dict(info.metadata),
        },
    }


with grpc.insecure_channel(address) as channel:
    chat = chat_pb2_grpc.ChatServiceStub(channel)
    answer, call = chat.CreateChatCompletion.with_call(chat_request("auto"), metadata=metadata)
    stream = chat.StreamChatCompletion(chat_request("auto"), metadata=metadata)
    leading = dict(stream.initial_metadata())
    pieces = [chunk.choices[0].delta.content for chunk in stream]
    models = models_pb2_grpc.ModelServiceStub(channel)
    listed = models.ListModels(models_pb2.ListModelsRequest(), metadata=metadata)
    health = health_pb2_grpc.HealthStub(channel)
    served = health.Check(health_pb2.HealthCheckRequest(service="optamil.v1.ChatService"))
    try:
        chat.CreateChatCompletion(chat_request("no-such-model"), metadata=metadata)
        error = None
    except grpc.RpcError as refused:
        error = describe_error(refused)

print(
    json.dumps(
        {
            "text": answer.choices[0].message.content,
            "tokens": answer.usage.total_tokens,
            "request_id": dict(call.initial_metadata())["x-request-id"],
            "pieces": pieces,
            "model": leading["x-optamil-model"],
            "models": [model.id for model in listed.data],
            "health": health_pb2.HealthCheckResponse.ServingStatus.Name(served.status),
            "error": error,
        }
    )
)
