# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""One check of gRPC streams with the real client packages: streams.py CHECK GRPC HTTP.

Models, INT32[-1] from IN to OUT: `m` (identity), `gate` (one instance, closed by the check), and of the backend
`stream` `three` (3 responses), `broken` (the second of 3 is an error), `many` (100,000) and `endless`; `bad`, which
cannot be loaded.
"""

import asyncio
import functools
import json
import os
import queue
import signal
import subprocess
import sys
import time
import urllib.request

import grpc
import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as aioclient
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

PATIENCE = 60


def inputs(*numbers):
    tensor = grpcclient.InferInput("IN", [1, len(numbers)], "INT32")
    tensor.set_data_from_numpy(np.array([numbers], dtype=np.int32))
    return [tensor]


def door(http, model, **control):
    request = urllib.request.Request(
        f"http://{http}/v2/test/{model}", data=json.dumps(control).encode(), method="POST"
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


class Client:
    """The callback client; `take` gives what came, in order."""

    def __init__(self, address, **options):
        self.client = grpcclient.InferenceServerClient(address)
        self.answers = queue.Queue()
        self.client.start_stream(
            callback=lambda result, error: self.answers.put((result, error)), **options
        )

    def ask(self, model, *numbers, **options):
        self.client.async_stream_infer(model, inputs(*numbers), **options)

    def take(self):
        result, error = self.answers.get(timeout=PATIENCE)
        if error is not None:
            raise error
        return result

    def stop(self, **options):
        self.client.stop_stream(**options)


def marker(result):
    return result.get_response().parameters["triton_final_response"].bool_param


def answers_in_order(address, http):
    client = Client(address)
    for i in range(1000):
        client.ask("m", i, i + 1, request_id=str(i))
    for i in range(1000):
        result = client.take()
        assert result.get_response().id == str(i), i
        assert result.as_numpy("OUT").tolist() == [[i, i + 1]]
        assert marker(result) is True
    client.stop()


def keeps_order(address, http):
    client = Client(address)
    door(http, "gate", action="close")
    client.ask("gate", 1, request_id="held")
    client.ask("m", 2, request_id="behind")
    client.ask("three", 3, request_id="free")
    assert [client.take().get_response().id for _ in range(3)] == ["free"] * 3
    assert client.answers.empty()
    door(http, "gate", action="open")
    assert [client.take().get_response().id for _ in range(2)] == ["held", "behind"]
    client.stop()


def decoupled(address, http):
    client = Client(address)
    client.ask("three", 7, request_id="a", enable_empty_final_response=True)
    results = [client.take() for _ in range(4)]
    assert [marker(one) for one in results] == [False, False, False, True]
    assert [one.as_numpy("OUT") is None for one in results] == [False, False, False, True]
    client.ask("three", 7, request_id="b")
    assert [marker(client.take()) for _ in range(3)] == [False] * 3
    client.stop()
    assert client.answers.empty()
    try:
        client.client.infer("three", inputs(7))
        raise AssertionError("a decoupled model answered ModelInfer")
    except InferenceServerException as error:
        assert error.status() == "StatusCode.UNIMPLEMENTED", error


def errors(address, http):
    client = Client(address)
    client.ask("nosuch", 1)
    client.ask("broken", 1)
    client.ask("m", 5)
    seen = []
    for _ in range(5):
        try:
            seen.append(client.take().as_numpy("OUT").tolist())
        except InferenceServerException as error:
            seen.append(error.message())
    assert sorted(map(str, seen)) == [
        "Request for unknown model: 'nosuch' is not found",
        "[[1]]",
        "[[1]]",
        "[[5]]",
        "stream: told to fail here",
    ], seen
    client.stop()


def grpc_errors(address, http):
    client = Client(address, headers={"triton_grpc_error": "true"})
    client.ask("broken", 1)
    assert client.take().as_numpy("OUT").tolist() == [[1]]
    try:
        client.take()
        raise AssertionError("no error")
    except InferenceServerException as error:
        assert error.status() == "StatusCode.INTERNAL", error
        assert error.message() == "stream: told to fail here", error


def compressed(address, http):
    for algorithm in ("gzip", "deflate"):
        client = Client(address, compression_algorithm=algorithm)
        client.ask("m", *([9] * 10_000))
        assert client.take().as_numpy("OUT").tolist() == [[9] * 10_000]
        client.stop()


def asynchronous(address, http):
    async def run():
        async def requests():
            for i in range(100):
                yield {"model_name": "m", "inputs": inputs(i), "request_id": str(i)}
            yield {"model_name": "three", "inputs": inputs(100)}

        client = aioclient.InferenceServerClient(address)
        seen = []
        async for result, error in client.stream_infer(requests()):
            assert error is None, error
            seen.append(result.as_numpy("OUT").tolist()[0][0])
        assert sorted(seen) == [*range(100), 100, 100, 100]
        assert [n for n in seen if n < 100] == list(range(100))

        # A client that has enough cancels.
        stream = client.stream_infer(once("endless"))
        async for _, error in stream:
            assert error is None, error
            break
        stream.cancel()
        await client.close()

    async def once(model):
        yield {"model_name": model, "inputs": inputs(1)}

    before = door(http, "endless")["executed"]
    asyncio.run(run())
    until(lambda: door(http, "endless")["executed"] == before + 1, "the model still runs")


def cancels(address, http):
    before = door(http, "endless")["executed"]
    client = Client(address)
    client.ask("endless", 1)
    client.take()
    client.stop(cancel_requests=True)
    until(lambda: door(http, "endless")["executed"] == before + 1, "the model still runs")


def deadline(address, http):
    door(http, "gate", action="close")
    # Of its own, so that the stream's deadline finds requests that wait.
    client = Client(address, stream_timeout=0.5)
    for _ in range(10):
        client.ask("gate", 1)
    try:
        client.take()
        raise AssertionError("an answer through a closed gate")
    except InferenceServerException as error:
        assert error.status() == "StatusCode.DEADLINE_EXCEEDED", error
    client.stop()
    pages = functools.partial(door, http, "gate")
    until(lambda: pages()["waiting"] == 1, "the first one does not run")
    executed = pages()["executed"]
    door(http, "gate", action="open")
    until(lambda: pages()["waiting"] == 0, "the gate is still occupied")
    # Nine were taken out of the queue, so only the one that ran before passed.
    other = Client(address)
    other.ask("gate", 2)
    other.take()
    other.stop()
    assert pages()["executed"] == executed + 2, pages()


def killed_client(address, http):
    before = door(http, "endless")["executed"]
    child = subprocess.Popen(
        [sys.executable, __file__, "stream_for_ever", address, http], stdout=subprocess.PIPE
    )
    child.stdout.readline()
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    until(lambda: door(http, "endless")["executed"] == before + 1, "the model still runs")


def stream_for_ever(address, http):
    client = Client(address)
    client.ask("endless", 1)
    client.take()
    print("streaming", flush=True)
    while True:
        client.take()


def raw_stream(address, *models):
    channel = grpc.insecure_channel(address)
    stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
    requests = []
    for model, count in models:
        request = service_pb2.ModelInferRequest(model_name=model)
        tensor = request.inputs.add(name="IN", datatype="INT32")
        tensor.shape.extend([1, count])
        request.raw_input_contents.append(bytes(4 * count))
        requests.append(request)
    return stub.ModelStreamInfer(iter(requests))


def hundred_thousand(address, http):
    count = finals = 0
    for message in raw_stream(address, ("many", 1)):
        assert message.error_message == "", message.error_message
        assert message.infer_response.raw_output_contents[0] == bytes(4)
        finals += message.infer_response.parameters["triton_final_response"].bool_param
        count += 1
    assert (count, finals) == (100_000, 1), (count, finals)


def slow_reader(address, http):
    """100,000 responses of 4 KiB are 400 MiB: what the server sends ahead is far less."""
    before = door(http, "many")["sent"]
    sent = lambda: door(http, "many")["sent"] - before
    call = raw_stream(address, ("many", 1024))
    for _ in range(10):
        next(call)
    # It stands when it was seen to stand many times over.
    count, seen = -1, 0
    while seen < 50:
        count, seen = (count, seen + 1) if sent() == count else (sent(), 0)
    # 1 MiB in the server; the rest in sockets and in the client.
    assert 256 <= count < 25_000, count
    assert sum(1 for _ in call) == 100_000 - 10


def watches(address, http):
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    status = health_pb2.HealthCheckResponse
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(address))
    unknown = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"))
    assert next(unknown).status == status.SERVICE_UNKNOWN
    calls = [
        stub.Watch(health_pb2.HealthCheckRequest(service=name))
        for name in ("", "inference.GRPCInferenceService", "grpc.health.v1.Health")
    ]
    assert [next(call).status for call in calls] == [status.SERVING] * 3
    client = grpcclient.InferenceServerClient(address)
    try:
        client.load_model("bad")
    except InferenceServerException:
        pass
    assert [next(call).status for call in calls] == [status.NOT_SERVING] * 3
    client.unload_model("bad")
    assert [next(call).status for call in calls] == [status.SERVING] * 3
    for call in [unknown, *calls]:
        call.cancel()


def reflects(address, http):
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    channel = grpc.insecure_channel(address)
    database = ProtoReflectionDescriptorDatabase(channel)
    services = database.get_services()
    assert "inference.GRPCInferenceService" in services, services
    pool = DescriptorPool(database)
    for name in services:
        assert pool.FindServiceByName(name).full_name == name
    # The contract as the client package has it: every message, field by field.
    service = pool.FindServiceByName("inference.GRPCInferenceService")
    known = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    for method in known.methods:
        if method.name not in service.methods_by_name:
            continue
        ours = service.methods_by_name[method.name]
        assert same(ours.input_type, method.input_type), method.name
        assert same(ours.output_type, method.output_type), method.name
        assert ours.client_streaming == method.client_streaming
        assert ours.server_streaming == method.server_streaming
    assert len(service.methods) >= 20, len(service.methods)
    # A call with nothing but what reflection told.
    metadata = service.methods_by_name["ServerMetadata"]
    ask = channel.unary_unary(
        "/inference.GRPCInferenceService/ServerMetadata",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(metadata.output_type).FromString,
    )
    assert "statistics" in ask(GetMessageClass(metadata.input_type)()).extensions
    try:
        pool.FindMessageTypeByName("inference.Nothing")
        raise AssertionError("found what does not exist")
    except KeyError:
        pass


def same(ours, theirs, seen=None):
    seen = set() if seen is None else seen
    if theirs.full_name in seen:
        return True
    seen.add(theirs.full_name)
    assert ours.full_name == theirs.full_name
    for field in theirs.fields:
        mine = ours.fields_by_number.get(field.number)
        assert mine is not None, f"{theirs.full_name}.{field.name}"
        assert (mine.name, mine.type, mine.is_repeated) == (field.name, field.type, field.is_repeated)
        assert (mine.containing_oneof is None) == (field.containing_oneof is None), field.full_name
        if field.message_type is not None:
            assert mine.message_type.GetOptions().map_entry == field.message_type.GetOptions().map_entry
            assert same(mine.message_type, field.message_type, seen)
    return True


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
