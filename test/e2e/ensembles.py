# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Ensembles in the eyes of tritonclient. Arguments: HTTP and gRPC endpoints."""

import queue
import sys

import numpy as np
import tritonclient.grpc as tritongrpc
import tritonclient.http as tritonhttp
from tritonclient.utils import InferenceServerException

WAIT_SECONDS = 60


def tensor(module, rows, columns=3):
    data = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    given = module.InferInput("IN", data.shape, "INT32")
    given.set_data_from_numpy(data)
    return given, data


def answers(module, endpoint):
    client = module.InferenceServerClient(endpoint)
    for name in ("two", "nested", "onnx"):
        for rows in (1, 2, 8):
            given, data = tensor(module, rows)
            result = client.infer(name, [given], request_id="7")
            assert np.array_equal(result.as_numpy("OUT"), data), name
    for binary in (True, False) if module is tritonhttp else (None,):
        given, data = tensor(module, 2)
        options = {} if binary is None else {"binary_data": binary}
        wanted = [module.InferRequestedOutput("OUT", **options)]
        assert np.array_equal(client.infer("two", [given], outputs=wanted).as_numpy("OUT"), data)
    try:
        client.infer("failing", [tensor(module, 1)[0]], request_id="q")
        raise AssertionError("the failing ensemble answered")
    except InferenceServerException as error:
        assert error.message() == "in ensemble 'failing', poisoned", error.message()


def statistics(endpoint):
    client = tritonhttp.InferenceServerClient(endpoint)
    before = client.get_inference_statistics("two")["model_stats"][0]
    client.infer("two", [tensor(tritonhttp, 2)[0]])
    after = client.get_inference_statistics("two")["model_stats"][0]
    assert after["inference_count"] - before["inference_count"] == 2
    assert after["execution_count"] - before["execution_count"] == 1
    failing = client.get_inference_statistics("failing")["model_stats"][0]
    assert failing["inference_stats"]["fail"]["count"] == 2, failing
    assert failing["execution_count"] == 0
    assert client.get_model_config("two")["platform"] == "ensemble"
    assert client.get_model_metadata("two")["platform"] == "ensemble"


def streams(endpoint):
    with tritongrpc.InferenceServerClient(endpoint) as client:
        assert client.get_model_config("many", as_json=True)["config"]["model_transaction_policy"][
            "decoupled"
        ]
        received = queue.Queue()
        client.start_stream(lambda result, error: received.put((result, error)))
        given, data = tensor(tritongrpc, 2)
        client.async_stream_infer("many", [given], enable_empty_final_response=True)
        count = 0
        while True:
            result, error = received.get(timeout=WAIT_SECONDS)
            assert error is None, error
            response = result.get_response()
            if response.outputs:
                assert np.array_equal(result.as_numpy("OUT"), data)
                count += 1
            if response.parameters["triton_final_response"].bool_param:
                break
        assert count == 3, count
        client.stop_stream()


if __name__ == "__main__":
    http, grpc = sys.argv[1:3]
    answers(tritonhttp, http)
    answers(tritongrpc, grpc)
    statistics(http)
    streams(grpc)
    print("ok")
