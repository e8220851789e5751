# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Holds every answer against its own request: shapes.py padded|split http|grpc ADDRESS REQUESTS.

Model `padded`: x FP32[-1] of any length, doubled FP32[-1] = 2x; it batches 8 requests.
Model `split`: words BYTES[2], scores FP32[3], the same as outputs; it splits what has more rows than 8.
"""

import os
import sys
import threading
import traceback

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient

TOGETHER = 8
MAX_ROWS = 200


def padded(module, client, random):
    x = random.integers(-1000, 1000, (1, int(random.integers(1, 41)))).astype(np.float32)
    tensor = module.InferInput("x", x.shape, "FP32")
    tensor.set_data_from_numpy(x)
    doubled = client.infer("padded", [tensor]).as_numpy("doubled")
    assert doubled.shape == x.shape and np.array_equal(doubled, 2 * x), (doubled, x)


def split(module, client, random):
    rows = int(random.integers(1, MAX_ROWS + 1))
    scores = random.random((rows, 3)).astype(np.float32)
    words = np.array(
        [[f"{row}.{random.integers(1e9)}" * int(random.integers(0, 4)), ""] for row in range(rows)],
        dtype=object,
    )
    tensors = [module.InferInput("words", words.shape, "BYTES")]
    tensors.append(module.InferInput("scores", scores.shape, "FP32"))
    tensors[0].set_data_from_numpy(words)
    tensors[1].set_data_from_numpy(scores)
    result = client.infer("split", tensors)
    assert np.array_equal(result.as_numpy("scores_out"), scores)
    assert np.array_equal(result.as_numpy("words_out"), words.astype(np.bytes_).astype(object))
    best = [module.InferRequestedOutput("scores_out", class_count=1)]
    result = client.infer("split", tensors, outputs=best).as_numpy("scores_out")
    assert result.shape == (rows, 1), result.shape
    for row in range(rows):
        value, index = result[row][0].decode().split(":")[:2]
        assert int(index) == scores[row].argmax(), (row, result[row], scores[row])
        assert abs(float(value) - scores[row].max()) < 1e-5


def infer_many(check, module, address, thread, count):
    try:
        random = np.random.default_rng(thread)
        with module.InferenceServerClient(address) as client:
            for _ in range(count):
                check(module, client, random)
    except BaseException:
        # The others wait for a batch that does not come together any more.
        traceback.print_exc()
        os._exit(1)


def main(check, protocol, address, requests):
    module = {"http": httpclient, "grpc": grpcclient}[protocol]
    check = {"padded": padded, "split": split}[check]
    threads = [
        threading.Thread(
            target=infer_many, args=(check, module, address, i, int(requests) // TOGETHER)
        )
        for i in range(TOGETHER)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main(*sys.argv[1:])
