# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Holds every answer against its own request: shapes.py CHECK http|grpc ADDRESS REQUESTS.

Checks are `padded` and `split`, and `padded_shared` and `split_shared` with tensors in shared memory.

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
from shared_memory import Region
from tritonclient.utils import serialize_byte_tensor

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


def shared_input(module, name, shape, datatype, region, offset, size):
    tensor = module.InferInput(name, shape, datatype)
    tensor.set_shared_memory(region.name, size, offset)
    return tensor


def shared_output(module, name, region, offset, size):
    wanted = module.InferRequestedOutput(name)
    wanted.set_shared_memory(region.name, size, offset)
    return wanted


def padded_shared(module, client, random):
    x = random.integers(-1000, 1000, (1, int(random.integers(1, 41)))).astype(np.float32)
    # Inputs and places for outputs that no border of anything keeps apart from what is around them.
    with Region(client, 3 * x.nbytes, contents=[x]) as region:
        around = region.numpy(np.float32, x.shape, 2 * x.nbytes).copy()
        tensor = shared_input(module, "x", x.shape, "FP32", region, 0, x.nbytes)
        wanted = shared_output(module, "doubled", region, x.nbytes, x.nbytes)
        client.infer("padded", [tensor], outputs=[wanted])
        assert np.array_equal(region.numpy(np.float32, x.shape), x)
        assert np.array_equal(region.numpy(np.float32, x.shape, x.nbytes), 2 * x)
        assert np.array_equal(region.numpy(np.float32, x.shape, 2 * x.nbytes), around)


def split_shared(module, client, random):
    rows = int(random.integers(1, MAX_ROWS + 1))
    scores = random.random((rows, 3)).astype(np.float32)
    words = np.array(
        [[f"{row}." * int(random.integers(0, 9)), "x"] for row in range(rows)], dtype=object
    )
    packed = np.frombuffer(serialize_byte_tensor(words).item(), np.uint8)
    half = scores.nbytes + packed.nbytes
    with Region(client, 2 * half, contents=[scores, packed]) as region:
        tensors = [
            shared_input(module, "words", words.shape, "BYTES", region, scores.nbytes, packed.nbytes),
            shared_input(module, "scores", scores.shape, "FP32", region, 0, scores.nbytes),
        ]
        wanted = [
            shared_output(module, "words_out", region, half + scores.nbytes, packed.nbytes),
            shared_output(module, "scores_out", region, half, scores.nbytes),
        ]
        client.infer("split", tensors, outputs=wanted)
        assert np.array_equal(region.numpy(np.float32, scores.shape, half), scores)
        answered = region.numpy(np.uint8, packed.shape, half + scores.nbytes)
        assert np.array_equal(answered, packed)


CHECKS = {
    "padded": padded,
    "split": split,
    "padded_shared": padded_shared,
    "split_shared": split_shared,
}


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
    check = CHECKS[check]
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
