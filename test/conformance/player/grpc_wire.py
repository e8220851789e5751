# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""gRPC calls from JSON or from raw bytes, with the messages of tritonclient."""

import base64
import threading

import grpc
from google.protobuf import json_format
from tritonclient.grpc import service_pb2

from .bytes_spec import describe_tensor, is_spec, to_bytes
from .http_wire import words

TIMEOUT_S = 20
SERVICE = "inference.GRPCInferenceService"
CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_retries", 0),
]


def open_channel(endpoint):
    return grpc.insecure_channel(endpoint, options=CHANNEL_OPTIONS)


def play(channel, request):
    """Makes one call and describes the answer."""
    method = request["grpc"]
    path = method if method.startswith("/") else f"/{SERVICE}/{method}"
    if "messages" in request:
        return play_stream(channel, path, method, request)
    call = channel.unary_unary(path)
    try:
        answer = call(
            encode(method, request),
            timeout=TIMEOUT_S,
            metadata=list(request.get("metadata", {}).items()),
            wait_for_ready=False,
        )
    except grpc.RpcError as error:
        return {"code": error.code().name, "error": words(error.details())}
    return {"code": "OK", **describe(method, answer)}


def play_stream(channel, path, method, request):
    """Sends all messages and ends; describes every answer until the server ends."""
    answers, end = [], {"code": "OK"}
    came = threading.Condition()

    def messages():
        for message in request["messages"]:
            with came:
                came.wait_for(lambda: len(answers) >= message.get("after", 0), TIMEOUT_S)
            yield encode(method, message)

    call = channel.stream_stream(path)(
        messages(), timeout=TIMEOUT_S, metadata=list(request.get("metadata", {}).items())
    )
    try:
        for data in call:
            with came:
                answers.append(describe_stream(method, data))
                came.notify()
    except grpc.RpcError as error:
        end = {"code": error.code().name, "error": words(error.details())}
    if request.get("any_order"):
        # Answers of different requests may mix; those of one keep their order.
        answers.sort(key=lambda answer: answer.get("message", {}).get("infer_response", {}).get("id", ""))
    return {**end, "answers": answers}


def describe_stream(method, data):
    if method != "ModelStreamInfer":
        return {"bytes": data.hex()}
    message = service_pb2.ModelStreamInferResponse.FromString(data)
    tensors = take_tensors(message.infer_response)
    described = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return {"message": described, **({"raw": tensors} if tensors else {})}


def encode(method, request):
    if "bytes" in request:
        return to_bytes(request["bytes"])
    message = message_type(method.replace("StreamInfer", "Infer"), "Request")()
    json_format.ParseDict(with_base64(request.get("message", {})), message)
    return message.SerializeToString()


def message_type(method, suffix):
    return getattr(service_pb2, f"{method}{suffix}")


def with_base64(value):
    if is_spec(value):
        return base64.b64encode(to_bytes(value)).decode("ascii")
    if isinstance(value, dict):
        return {key: with_base64(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_base64(inner) for inner in value]
    return value


def describe(method, data):
    if not hasattr(service_pb2, f"{method}Response"):
        return {"bytes": data.hex()}
    message = message_type(method, "Response").FromString(data)
    tensors = take_tensors(message) if method == "ModelInfer" else []
    described = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return {"message": described, **({"raw": tensors} if tensors else {})}


def take_tensors(message):
    """The raw contents of a ModelInferResponse, which leave it."""
    tensors = []
    for output, content in zip(message.outputs, message.raw_output_contents):
        tensors.append(describe_tensor(output.datatype, content))
    if len(message.raw_output_contents) != len(message.outputs):
        tensors.append({"raw_output_contents": len(message.raw_output_contents)})
    del message.raw_output_contents[:]
    return tensors
