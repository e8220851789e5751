# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Keys, restrictions and forwarded headers through the unmodified clients.

Arguments: the HTTP and the gRPC address of a server whose model `m` answers with its request's
parameters, and a JWT. Prints nothing and ends with 0 when all is as it should be.
"""

import asyncio
import json
import queue
import sys

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as aiogrpc
import tritonclient.http as httpclient
import tritonclient.http.aio as aiohttp
from tritonclient.utils import InferenceServerException

HTTP, GRPC, TOKEN = sys.argv[1:]
KEY = "a-key-of-some-length"


def inputs(module):
    tensor = module.InferInput("IN", [1], "INT32")
    tensor.set_data_from_numpy(np.array([1], dtype=np.int32))
    return [tensor]


def parameters(result):
    return json.loads(result.as_numpy("PARAMS")[0])


def refused(call, text, status=None):
    try:
        call()
    except InferenceServerException as error:
        assert text in str(error), str(error)
        assert status is None or status in str(error.status()), error.status()
        return
    raise AssertionError(f"no error with '{text}'")


def over_http():
    client = httpclient.InferenceServerClient(HTTP)
    good = {"Authorization": f"Bearer {KEY}", "Secret-Key": "secret", "X-Trace-Id": "7"}
    assert client.is_server_live()
    assert parameters(client.infer("m", inputs(httpclient), headers=good)) == {
        "X-Trace-Id": "7"
    }
    token = dict(good, Authorization=f"Bearer {TOKEN}")
    assert parameters(client.infer("m", inputs(httpclient), headers=token)) == {
        "X-Trace-Id": "7"
    }
    without_key = {"Secret-Key": "secret"}
    refused(
        lambda: client.infer("m", inputs(httpclient), headers=without_key),
        "an API key or a token is needed",
        "401",
    )
    refused(
        lambda: client.infer("m", inputs(httpclient), headers={"x-api-key": KEY}),
        "This API is restricted, expecting header 'Secret-Key'",
        "403",
    )
    refused(
        lambda: client.load_model("m", headers={"x-api-key": KEY}),
        "lacks the scope 'manage'",
        "403",
    )
    refused(
        lambda: client.infer("m", inputs(httpclient), headers=dict(good, timeout="5")),
        "reserved for Triton usage",
        "400",
    )
    assert client.get_server_metadata(headers={"x-api-key": KEY})["name"]


def over_grpc():
    client = grpcclient.InferenceServerClient(GRPC)
    good = {
        "authorization": f"Bearer {KEY}",
        "triton-grpc-protocol-secret-key": "secret",
        "x-trace-id": "7",
    }
    assert client.is_server_ready()
    result = client.infer("m", inputs(grpcclient), headers=good)
    assert parameters(result) == {"x-trace-id": "7"}
    token = dict(good, authorization=f"Bearer {TOKEN}")
    assert parameters(client.infer("m", inputs(grpcclient), headers=token)) == {
        "x-trace-id": "7"
    }
    refused(
        lambda: client.infer("m", inputs(grpcclient), headers={"x-api-key": KEY}),
        "This protocol is restricted, expecting header 'triton-grpc-protocol-secret-key'",
        "UNAVAILABLE",
    )
    refused(
        lambda: client.infer(
            "m",
            inputs(grpcclient),
            headers={"triton-grpc-protocol-secret-key": "secret"},
        ),
        "an API key or a token is needed",
        "UNAUTHENTICATED",
    )
    refused(
        lambda: client.load_model("m", headers={"x-api-key": KEY}),
        "lacks the scope 'manage'",
        "PERMISSION_DENIED",
    )


def over_a_stream(credential):
    client = grpcclient.InferenceServerClient(GRPC)
    answers = queue.Queue()

    def take(result, error):
        answers.put(error if result is None else result)

    client.start_stream(
        take,
        headers={
            "authorization": f"Bearer {credential}",
            "triton-grpc-protocol-secret-key": "secret",
            "x-trace-id": "stream",
        },
    )
    for number in range(3):
        client.async_stream_infer(
            "m", inputs(grpcclient), parameters={"number": number}
        )
    for number in range(3):
        result = answers.get(timeout=30)
        assert not isinstance(result, Exception), result
        assert parameters(result) == {"number": number, "x-trace-id": "stream"}
    client.async_stream_infer("other", inputs(grpcclient))
    error = answers.get(timeout=30)
    assert "does not cover model 'other'" in str(error), error
    client.stop_stream()

    # Refused at its head, before any message.
    client.start_stream(take, headers={"triton-grpc-protocol-secret-key": "secret"})
    error = answers.get(timeout=30)
    assert "an API key or a token is needed" in str(error), error
    client.stop_stream()


async def asynchronously():
    headers = {"x-api-key": KEY, "x-trace-id": "9"}
    async with aiohttp.InferenceServerClient(HTTP) as client:
        # The client writes into the headers it is given.
        good = dict(headers, **{"secret-key": "secret"})
        result = await client.infer("m", inputs(aiohttp), headers=good)
        assert parameters(result) == {"x-trace-id": "9"}
    async with aiogrpc.InferenceServerClient(GRPC) as client:
        good = dict(headers, **{"triton-grpc-protocol-secret-key": "secret"})
        result = await client.infer("m", inputs(aiogrpc), headers=good)
        assert parameters(result) == {"x-trace-id": "9"}


over_http()
over_grpc()
over_a_stream(KEY)
over_a_stream(TOKEN)
asyncio.run(asynchronously())
