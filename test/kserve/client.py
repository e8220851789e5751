# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""KServe's own client against a server that serves `m` (INT32 [-1,-1] IN to OUT) and `half` (FP16).

Arguments: HTTP address, gRPC address, and "properties" when metadata is to have them.
"""

import asyncio
import sys

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as stubs

HTTP, GRPC, PROPERTIES = sys.argv[1], sys.argv[2], sys.argv[3:] == ["properties"]
BASE = f"http://{HTTP}"
ROWS = np.array([[1, 2], [3, 4]], dtype=np.int32)


def request(model, name, array, datatype, binary):
    tensor = InferInput(name=name, shape=list(array.shape), datatype=datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[tensor])


async def refused(call, status):
    try:
        await call
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == status, error
        return str(error)
    raise AssertionError(f"expected {status}")


async def rest_v1():
    async with InferenceRESTClient(RESTConfig(protocol="v1")) as client:
        assert await client.is_server_live(BASE) is True
        assert await client.is_model_ready(BASE, "m") is True
        text = await refused(client.is_model_ready(BASE, "nosuch"), 404)
        assert "Model with name nosuch does not exist." in text, text
        answer = await client.infer(BASE, {"instances": ROWS.tolist()}, model_name="m")
        assert answer == {"predictions": ROWS.tolist()}, answer
        answer = await client.infer(BASE, {"inputs": {"IN": ROWS.tolist()}}, model_name="m")
        assert answer == {"outputs": ROWS.tolist()}, answer
        answer = await client.infer(BASE, {"instances": [[1.5]]}, model_name="half")
        assert answer == {"predictions": [[1.5]]}, answer
        text = await refused(client.infer(BASE, {"instances": [["x"]]}, model_name="m"), 400)
        assert "non-signed-integer" in text, text
        text = await refused(client.explain(BASE, "m", {"instances": []}), 501)
        assert "has no explainer" in text, text


async def rest_v2():
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        assert await client.is_server_live(BASE) is True
        assert await client.is_server_ready(BASE) is True
        assert await client.is_model_ready(BASE, "m") is True
        assert await client.is_model_ready(BASE, "nosuch") is False
        for binary in (False, True):
            answer = await client.infer(BASE, request("m", "IN", ROWS, "INT32", binary), model_name="m")
            assert answer.model_name == "m"
            assert (answer.outputs[0].as_numpy() == ROWS).all()
        await refused(client.infer(BASE, request("m", "IN", ROWS.astype("int64"), "INT64", False), model_name="m"), 400)


async def grpc_v2():
    async with InferenceGRPCClient(url=GRPC) as client:
        assert await client.is_server_live() is True
        assert await client.is_server_ready() is True
        assert await client.is_model_ready("m") is True
        answer = await client.infer(request("m", "IN", ROWS, "INT32", True))
        assert (answer.outputs[0].as_numpy() == ROWS).all()
        try:
            await client.infer(request("nosuch", "IN", ROWS, "INT32", True))
            raise AssertionError("expected NOT_FOUND")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error


async def metadata():
    """With KServe's own messages, in which `properties` is field 6."""
    async with grpc.aio.insecure_channel(GRPC) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        answer = await stub.ModelMetadata(pb.ModelMetadataRequest(name="m"))
    properties = dict(getattr(answer, "properties", {}))
    if "properties" in pb.ModelMetadataResponse.DESCRIPTOR.fields_by_name:
        assert (properties.get("max_batch_size") == "8") == PROPERTIES, properties
    async with httpx.AsyncClient() as client:
        document = (await client.get(f"{BASE}/v2/models/m")).json()
        assert ("properties" in document) == PROPERTIES, document
        listed = (await client.get(f"{BASE}/v2/models")).json()
        assert listed == {"models": ["half", "m"]}, listed


async def main():
    for check in (rest_v1, rest_v2, grpc_v2, metadata):
        await check()
        print(f"ok {check.__name__}")


asyncio.run(main())
