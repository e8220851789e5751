# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Holds every answer of a ragged model against its own request: ragged.py http|grpc ADDRESS REQUESTS.

Model `ragged`: x FP32[-1], any length. doubled FP32[-1] = 2x, total FP32[1] = the sum of x. It batches 8 requests.
"""

import os
import sys
import threading
import traceback
import uuid

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
import tritonclient.utils.shared_memory as shm

TOGETHER = 8


def check(result, doubled, x):
    assert doubled.shape == x.shape and np.array_equal(doubled, 2 * x), (doubled, x)
    total = result.as_numpy("total")
    assert total.shape == (1, 1) and total[0, 0] == x.sum(), (total, x)


def infer_many(module, address, thread, count):
    """Whole numbers, so that sums in any order are equal."""
    try:
        random = np.random.default_rng(thread)
        with module.InferenceServerClient(address) as client:
            for _ in range(count):
                length = int(random.integers(0 if thread else 1, 40))
                x = random.integers(-1000, 1000, (1, length)).astype(np.float32)
                tensor = module.InferInput("x", x.shape, "FP32")
                if thread == 0:
                    infer_shared(module, client, tensor, x)
                    continue
                tensor.set_data_from_numpy(x)
                result = client.infer("ragged", [tensor])
                check(result, result.as_numpy("doubled"), x)
    except BaseException:
        # The others wait for a batch that does not come together any more.
        traceback.print_exc()
        os._exit(1)


def infer_shared(module, client, tensor, x):
    """The input, and room for one of the outputs, in memory shared with the server."""
    name = f"nereid_ragged_{uuid.uuid4().hex}"
    size = x.nbytes
    region = shm.create_shared_memory_region(name, "/" + name, 2 * size)
    try:
        shm.set_shared_memory_region(region, [x])
        client.register_system_shared_memory(name, "/" + name, 2 * size)
        tensor.set_shared_memory(name, x.nbytes)
        outputs = [module.InferRequestedOutput("doubled"), module.InferRequestedOutput("total")]
        outputs[0].set_shared_memory(name, size, size)
        result = client.infer("ragged", [tensor], outputs=outputs)
        check(result, shm.get_contents_as_numpy(region, np.float32, x.shape, size), x)
        client.unregister_system_shared_memory(name)
    finally:
        shm.destroy_shared_memory_region(region)


def main(protocol, address, requests):
    module = {"http": httpclient, "grpc": grpcclient}[protocol]
    threads = [
        threading.Thread(
            target=infer_many, args=(module, address, i, int(requests) // TOGETHER)
        )
        for i in range(TOGETHER)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main(*sys.argv[1:])
