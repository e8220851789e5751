# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""The unmodified tritonclient packages against one server: http, grpc and their asyncio twins.

A check is an async function of a `Face`, which hides only how a client is called (awaited or not, shape
of its metadata answers), never what it sends.
"""

import asyncio
import queue
import traceback

import ml_dtypes
import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

CHECK_TIMEOUT_S = 60


class Face:
    """One of the four clients, connected to one server."""

    def __init__(self, name, server):
        self.name = name
        self.is_http = name.startswith("http")
        self.is_aio = name.endswith("aio")
        self.module = getattr(tritonclient, name.split(".")[0])
        kind = self.module.aio if self.is_aio else self.module
        url = server.http if self.is_http else server.grpc
        more = {} if self.is_aio or not self.is_http else {"concurrency": 4}
        self.client = kind.InferenceServerClient(url, **more)

    async def call(self, method, *args, **kwargs):
        answer = getattr(self.client, method)(*args, **kwargs)
        return await answer if self.is_aio else answer

    async def close(self):
        answer = self.client.close()
        if self.is_aio:
            await answer

    async def as_dict(self, method, *args):
        """A metadata call's answer as plain JSON values."""
        if self.is_http:
            return await self.call(method, *args)
        return await self.call(method, *args, as_json=True)

    def input(self, name, datatype, array, binary=True):
        tensor = self.module.InferInput(name, list(array.shape), datatype)
        if self.is_http:
            tensor.set_data_from_numpy(array, binary_data=binary)
        else:
            tensor.set_data_from_numpy(array)
        return tensor

    def output(self, name, binary=True, **more):
        if self.is_http:
            more["binary_data"] = binary
        return self.module.InferRequestedOutput(name, **more)

    async def infer(self, model, inputs, **more):
        return await self.call("infer", model, inputs, **more)

    def name_of(self, result):
        response = result.get_response()
        return response["model_name"] if self.is_http else response.model_name

    def id_of(self, result):
        response = result.get_response()
        return response.get("id") if self.is_http else response.id


def add_sub_inputs(face, binary=True):
    left = np.arange(16, dtype=np.int32).reshape(1, 16)
    right = np.full((1, 16), 3, np.int32)
    inputs = [
        face.input("INPUT0", "INT32", left, binary),
        face.input("INPUT1", "INT32", right, binary),
    ]
    return left, right, inputs


def equal(actual, expected):
    actual = np.asarray(actual)
    expected = np.asarray(expected)
    assert actual.dtype == expected.dtype, f"dtype {actual.dtype}, expected {expected.dtype}"
    np.testing.assert_array_equal(actual, expected)


def same(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


async def refused(awaitable, *parts):
    try:
        await awaitable
    except InferenceServerException as error:
        for part in parts:
            assert part in str(error.message()), f"expected {part!r} in {error.message()!r}"
        return error
    raise AssertionError("the call was not refused")


async def health(face):
    assert await face.call("is_server_live") is True
    assert await face.call("is_server_ready") is True
    assert await face.call("is_model_ready", "simple") is True
    assert await face.call("is_model_ready", "versioned", "3") is True


async def readiness_of_an_unknown_model(face):
    try:
        assert await face.call("is_model_ready", "nobody") is False
    except InferenceServerException as error:
        # Triton 2.73 answers gRPC with an error where 2.51 answers "not ready".
        assert "unknown model: 'nobody'" in str(error.message())


async def server_metadata(face):
    answer = await face.as_dict("get_server_metadata")
    same(answer["name"], "triton")
    assert "binary_tensor_data" in answer["extensions"]
    assert answer["version"].startswith("2."), answer["version"]


async def model_metadata(face):
    answer = await face.as_dict("get_model_metadata", "simple")
    same(answer["name"], "simple")
    same(answer["versions"], ["1"])
    shapes = {t["name"]: (t["datatype"], [int(d) for d in t["shape"]]) for t in answer["inputs"]}
    same(shapes, {"INPUT0": ("INT32", [-1, 16]), "INPUT1": ("INT32", [-1, 16])})
    same([t["name"] for t in answer["outputs"]], ["OUTPUT0", "OUTPUT1"])


async def model_config(face):
    answer = await face.as_dict("get_model_config", "identity_fp32")
    config = answer if face.is_http else answer["config"]
    same(config["name"], "identity_fp32")
    same(config["max_batch_size"], 8)
    same([int(d) for d in config["input"][0]["dims"]], [-1])


async def statistics_count_a_request(face):
    model = "simple"

    async def count():
        answer = await face.as_dict("get_inference_statistics", model)
        return int(answer["model_stats"][0].get("inference_count", 0))

    before = await count()
    _, _, inputs = add_sub_inputs(face)
    await face.infer(model, inputs)
    # The real Triton may count a request a moment after it has answered it.
    for _ in range(500):
        if await count() > before:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"the count stayed {before}")


async def repository_index(face):
    answer = await face.as_dict("get_model_repository_index")
    entries = answer if face.is_http else answer["models"]
    states = {(e["name"], e.get("version")): e.get("state") for e in entries}
    same(states[("simple", "1")], "READY")
    same(states[("versioned", "3")], "READY")
    assert ("versioned", "2") not in states


async def load_and_unload(face):
    await face.call("load_model", "control")
    assert await face.call("is_model_ready", "control") is True
    await face.call("unload_model", "control")
    for _ in range(500):
        if not await face.call("is_model_ready", "control"):
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("the model stayed ready")
    values = np.ones((1, 2), np.int32)
    await refused(face.infer("control", [face.input("INPUT0", "INT32", values)]), "control")
    await face.call("load_model", "control")
    result = await face.infer("control", [face.input("INPUT0", "INT32", values)])
    equal(result.as_numpy("OUTPUT0"), values)


async def load_with_a_configuration(face):
    config = (
        '{"name":"control","backend":"BACKEND","max_batch_size":2,'
        '"input":[{"name":"INPUT0","data_type":"TYPE_INT32","dims":[-1]}],'
        '"output":[{"name":"OUTPUT0","data_type":"TYPE_INT32","dims":[-1]}]}'
    )
    answer = await face.as_dict("get_model_config", "control")
    backend = (answer if face.is_http else answer["config"])["backend"]
    await face.call("load_model", "control", config=config.replace("BACKEND", backend))
    answer = await face.as_dict("get_model_config", "control")
    changed = answer if face.is_http else answer["config"]
    same(changed["max_batch_size"], 2)
    await face.call("unload_model", "control")
    await face.call("load_model", "control")


async def load_of_a_broken_configuration(face):
    await refused(face.call("load_model", "control", config="{"), "failed to load 'control'")
    assert await face.call("is_model_ready", "control") is True


async def infer_binary(face):
    left, right, inputs = add_sub_inputs(face)
    result = await face.infer("simple", inputs)
    equal(result.as_numpy("OUTPUT0"), left + right)
    equal(result.as_numpy("OUTPUT1"), left - right)
    same(face.name_of(result), "simple")


async def infer_chosen_output_with_id(face):
    left, right, inputs = add_sub_inputs(face)
    result = await face.infer(
        "simple", inputs, outputs=[face.output("OUTPUT1")], request_id="abc-1"
    )
    equal(result.as_numpy("OUTPUT1"), left - right)
    assert result.as_numpy("OUTPUT0") is None
    same(face.id_of(result), "abc-1")


async def infer_version(face):
    values = np.arange(3, dtype=np.int32).reshape(1, 3)
    result = await face.infer(
        "versioned", [face.input("INPUT0", "INT32", values)], model_version="1"
    )
    equal(result.as_numpy("OUTPUT0"), values)
    await refused(
        face.infer("versioned", [face.input("INPUT0", "INT32", values)], model_version="2"),
        "'versioned'",
    )


async def infer_batch(face):
    values = np.arange(8 * 5, dtype=np.float32).reshape(8, 5)
    result = await face.infer("identity_fp32", [face.input("INPUT0", "FP32", values)])
    equal(result.as_numpy("OUTPUT0"), values)
    values = np.zeros((9, 1), np.float32)
    await refused(
        face.infer("identity_fp32", [face.input("INPUT0", "FP32", values)]),
        "batch-size must be <= 8",
    )


async def infer_text_sums(face):
    left = np.array([[str(i).encode() for i in range(16)]], np.object_)
    right = np.array([[b"1"] * 16], np.object_)
    result = await face.infer(
        "simple_string",
        [face.input("INPUT0", "BYTES", left), face.input("INPUT1", "BYTES", right)],
    )
    equal(result.as_numpy("OUTPUT0"), np.array([[str(i + 1).encode() for i in range(16)]], np.object_))
    equal(result.as_numpy("OUTPUT1"), np.array([[str(i - 1).encode() for i in range(16)]], np.object_))


async def infer_strings(face):
    values = np.array([[b"", b"plain", "żółć".encode(), b"\x00\xff\x01", b"x" * 70000]], np.object_)
    result = await face.infer("simple_identity", [face.input("INPUT0", "BYTES", values)])
    equal(result.as_numpy("OUTPUT0"), values)


async def infer_bfloat16(face):
    values = np.array([[1.0, -2.5, 0.0]], ml_dtypes.bfloat16)
    result = await face.infer("identity_bf16", [face.input("INPUT0", "BF16", values)])
    equal(result.as_numpy("OUTPUT0"), values)


async def infer_every_numpy_type(face):
    for model, datatype, dtype in (
        ("identity_bool", "BOOL", np.bool_),
        ("identity_uint8", "UINT8", np.uint8),
        ("identity_uint16", "UINT16", np.uint16),
        ("identity_uint32", "UINT32", np.uint32),
        ("identity_uint64", "UINT64", np.uint64),
        ("identity_int8", "INT8", np.int8),
        ("identity_int16", "INT16", np.int16),
        ("identity_int32", "INT32", np.int32),
        ("identity_int64", "INT64", np.int64),
        ("identity_fp16", "FP16", np.float16),
        ("identity_fp32", "FP32", np.float32),
        ("identity_fp64", "FP64", np.float64),
    ):
        values = np.array([[0, 1, 100]]).astype(dtype)
        result = await face.infer(model, [face.input("INPUT0", datatype, values)])
        equal(result.as_numpy("OUTPUT0"), values)


async def infer_large(face):
    values = np.arange(1 << 20, dtype=np.float32).reshape(1, -1)
    result = await face.infer("identity_fp32", [face.input("INPUT0", "FP32", values)])
    equal(result.as_numpy("OUTPUT0"), values)


async def infer_empty(face):
    values = np.zeros((1, 0), np.float32)
    result = await face.infer("identity_fp32", [face.input("INPUT0", "FP32", values)])
    equal(result.as_numpy("OUTPUT0"), values)


async def infer_with_parameters(face):
    left, right, inputs = add_sub_inputs(face)
    result = await face.infer("simple", inputs, parameters={"text": "a", "number": 1, "flag": True})
    equal(result.as_numpy("OUTPUT0"), left + right)
    await refused(face.infer("simple", inputs, parameters={"triton_mine": 1}), "triton_")


async def infer_wrong_model(face):
    _, _, inputs = add_sub_inputs(face)
    error = await refused(face.infer("nobody", inputs), "unknown model: 'nobody'")
    same(error.status(), "404" if face.is_http and not face.is_aio else error.status())


async def infer_backend_error(face):
    values = np.ones((1, 1), np.int32)
    await refused(
        face.infer("failing", [face.input("INPUT0", "INT32", values)]),
        "the poison backend fails every request",
    )


async def infer_classification(face):
    values = np.array([[0.1, 0.7, 0.2]], np.float32)
    result = await face.infer(
        "labelled",
        [face.input("INPUT0", "FP32", values)],
        outputs=[face.output("OUTPUT0", class_count=2)],
    )
    equal(result.as_numpy("OUTPUT0"), np.array([[b"0.700000:1:dog", b"0.200000:2:fish"]], np.object_))


async def many_at_once(face):
    async def one(i):
        values = np.full((1, 16), i, np.float32)
        result = await face.infer("dynamic", [face.input("INPUT0", "FP32", values)])
        equal(result.as_numpy("OUTPUT0"), values)

    if face.is_aio:
        await asyncio.gather(*(one(i) for i in range(32)))
        return
    answers = queue.Queue()
    pending = []
    arrays = [np.full((1, 16), i, np.float32) for i in range(32)]
    for i, values in enumerate(arrays):
        tensor = [face.input("INPUT0", "FP32", values)]
        if face.is_http:
            pending.append(face.client.async_infer("dynamic", tensor, request_id=str(i)))
        else:
            callback = lambda result, error: answers.put((result, error))
            face.client.async_infer("dynamic", tensor, callback, request_id=str(i))
    for i in range(32):
        if face.is_http:
            result = pending[i].get_result(timeout=20)
        else:
            result, error = answers.get(timeout=20)
            assert error is None, error
        equal(result.as_numpy("OUTPUT0"), arrays[int(face.id_of(result))])


async def infer_json(face):
    left, right, inputs = add_sub_inputs(face, binary=False)
    outputs = [face.output("OUTPUT0", binary=False), face.output("OUTPUT1", binary=False)]
    result = await face.infer("simple", inputs, outputs=outputs)
    equal(result.as_numpy("OUTPUT0"), left + right)
    equal(result.as_numpy("OUTPUT1"), left - right)


async def infer_json_in_binary_out(face):
    left, right, inputs = add_sub_inputs(face, binary=False)
    outputs = [face.output("OUTPUT0"), face.output("OUTPUT1", binary=False)]
    result = await face.infer("simple", inputs, outputs=outputs)
    equal(result.as_numpy("OUTPUT0"), left + right)
    equal(result.as_numpy("OUTPUT1"), left - right)


async def infer_json_strings(face):
    values = np.array([["", "plain", "żółć \"quoted\"\n"]], np.object_)
    result = await face.infer(
        "simple_identity",
        [face.input("INPUT0", "BYTES", values, binary=False)],
        outputs=[face.output("OUTPUT0", binary=False)],
    )
    same(result.as_numpy("OUTPUT0").tolist(), values.tolist())


async def infer_compressed(face):
    left, right, inputs = add_sub_inputs(face)
    result = await face.infer(
        "simple",
        inputs,
        request_compression_algorithm="gzip",
        response_compression_algorithm="deflate",
    )
    equal(result.as_numpy("OUTPUT0"), left + right)


async def infer_compressed_call(face):
    left, right, inputs = add_sub_inputs(face)
    result = await face.infer("simple", inputs, compression_algorithm="gzip")
    equal(result.as_numpy("OUTPUT0"), left + right)


async def infer_with_a_deadline(face):
    left, right, inputs = add_sub_inputs(face)
    result = await face.infer("simple", inputs, client_timeout=20)
    equal(result.as_numpy("OUTPUT0"), left + right)


EVERY_CLIENT = (
    health,
    readiness_of_an_unknown_model,
    server_metadata,
    model_metadata,
    model_config,
    statistics_count_a_request,
    repository_index,
    load_and_unload,
    load_with_a_configuration,
    load_of_a_broken_configuration,
    infer_binary,
    infer_chosen_output_with_id,
    infer_version,
    infer_batch,
    infer_text_sums,
    infer_strings,
    infer_bfloat16,
    infer_every_numpy_type,
    infer_large,
    infer_empty,
    infer_with_parameters,
    infer_wrong_model,
    infer_backend_error,
    infer_classification,
    many_at_once,
)
HTTP_CLIENTS = (infer_json, infer_json_in_binary_out, infer_json_strings, infer_compressed)
GRPC_CLIENTS = (infer_compressed_call, infer_with_a_deadline)

SUITES = {
    "http": EVERY_CLIENT + HTTP_CLIENTS,
    "grpc": EVERY_CLIENT + GRPC_CLIENTS,
    "http.aio": EVERY_CLIENT + HTTP_CLIENTS,
    "grpc.aio": EVERY_CLIENT + GRPC_CLIENTS,
}


def play(server, only, report):
    for suite, checks in SUITES.items():
        for check in checks:
            title = f"tritonclient.{suite}: {check.__name__.replace('_', ' ')}"
            if only in title:
                report(f"{server.name}: {title}", asyncio.run(run(suite, server, check)))


async def run(suite, server, check):
    """The problems of one check with a client of its own."""
    face = Face(suite, server)
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check(face)
        return []
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        return [f"{type(error).__name__}: {error} ({frame.name}:{frame.lineno})"]
    finally:
        await face.close()
