# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Sequences in the eyes of tritonclient. Arguments: HTTP and gRPC endpoints."""

import json
import queue
import sys
import threading

import numpy as np
import tritonclient.grpc as tritongrpc
import tritonclient.http as tritonhttp
from tritonclient.utils import InferenceServerException

WAIT_SECONDS = 60
SEQUENCES = 8
STEPS = 20


def tensor(module, number, rows=1):
    data = np.full((rows, 1), number, dtype=np.int32)
    given = module.InferInput("IN", data.shape, "INT32")
    given.set_data_from_numpy(data)
    return given


def step(module, client, model, number, sequence, start=False, end=False):
    result = client.infer(
        model,
        [tensor(module, number)],
        sequence_id=sequence,
        sequence_start=start,
        sequence_end=end,
    )
    return int(result.as_numpy("OUT")[0, 0]), result


def refused(call):
    try:
        call()
    except InferenceServerException as error:
        return error.message()
    raise AssertionError("it was answered")


def sums(module, endpoint, model, first):
    """Sequences side by side, each from a thread of its own: every answer is the sum so far."""
    wrong = []

    def run(sequence):
        client = module.InferenceServerClient(endpoint)
        total = 0
        for i in range(STEPS):
            total += sequence * 100 + i
            got, _ = step(
                module, client, model, sequence * 100 + i, first + sequence, i == 0, i == STEPS - 1
            )
            if got != total:
                wrong.append((sequence, i, got, total))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(SEQUENCES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive(), model
    assert not wrong, (model, wrong)


def controls(module, endpoint, model):
    client = module.InferenceServerClient(endpoint)
    rows = []
    for i in range(3):
        _, result = step(module, client, model, 7, 41, i == 0, i == 2)
        log = json.loads(result.as_numpy("LOG").ravel()[0])
        rows.append(log["rows"][-1])
        assert {output for output in ("OUT", "LOG") if result.as_numpy(output) is not None} == {
            "OUT",
            "LOG",
        }
    assert rows == [
        {"IN": 7, "START": 1, "END": 0, "READY": 1, "CORRID": 41},
        {"IN": 7, "START": 0, "END": 0, "READY": 1, "CORRID": 41},
        {"IN": 7, "START": 0, "END": 1, "READY": 1, "CORRID": 41},
    ], rows


def texts(module, endpoint):
    client = module.InferenceServerClient(endpoint)
    given = [tensor(module, 1)]
    needs_id = "inference request to model 'direct' must specify a non-zero or non-empty correlation ID"
    assert refused(lambda: client.infer("direct", given)) == needs_id
    for sequence in (77, "seventy"):
        assert refused(lambda: client.infer("direct", given, sequence_id=sequence)) == (
            f"inference request for sequence {sequence} to model 'direct' must specify the START "
            "flag on the first request of the sequence"
        )
    two = [tensor(module, 1, 2)]
    assert refused(
        lambda: client.infer("direct", two, sequence_id=1, sequence_start=True)
    ) == (
        "inference request to model 'direct' must specify batch-size 1 due to requirements of "
        "sequence batcher"
    )
    # A number and its text are two sequences.
    for sequence, number in ((5, 1), ("5", 10)):
        assert step(module, client, "stateful", number, sequence, True)[0] == number + 5
    for sequence, number in ((5, 1), ("5", 10)):
        got, _ = step(module, client, "stateful", number, sequence, False, True)
        assert got == 2 * number + 5, got
    _, result = step(module, client, "named", 3, "seventy", True, True)
    log = json.loads(result.as_numpy("LOG").ravel()[0])
    assert log["rows"][0] == {"IN": 3, "START": 1, "CORRID": "seventy"}, log
    # States: handed on, not shown, and as before the first request after a START.
    for expected in (6, 7):
        got, result = step(module, client, "stateful", 1, 9, expected == 6)
        assert got == expected, got
        assert result.as_numpy("STATE_OUT") is None
    assert step(module, client, "stateful", 1, 9, True)[0] == 6
    assert step(module, client, "stateful", 1, 9, False, True)[0] == 7


def streamed(endpoint):
    client = tritongrpc.InferenceServerClient(endpoint)
    answers = queue.Queue()
    client.start_stream(callback=lambda result, error: answers.put((result, error)))
    for i in range(STEPS):
        client.async_stream_infer(
            "oldest",
            [tensor(tritongrpc, i)],
            sequence_id=900,
            sequence_start=i == 0,
            sequence_end=i == STEPS - 1,
        )
    total = 0
    for i in range(STEPS):
        result, error = answers.get(timeout=WAIT_SECONDS)
        assert error is None, error
        total += i
        assert result.as_numpy("OUT")[0, 0] == total
    client.stop_stream()


def main(http, grpc):
    for module, endpoint, first in ((tritonhttp, http, 1000), (tritongrpc, grpc, 2000)):
        for model in ("direct", "oldest", "stateful_zero"):
            sums(module, endpoint, model, first)
        for model in ("direct", "oldest"):
            controls(module, endpoint, model)
        texts(module, endpoint)
        metadata = module.InferenceServerClient(endpoint).get_model_metadata("stateful")
        inputs = metadata["inputs"] if module is tritonhttp else metadata.inputs
        outputs = metadata["outputs"] if module is tritonhttp else metadata.outputs
        assert len(inputs) == 1 and len(outputs) == 2, metadata
    streamed(grpc)
    print("ok")


main(*sys.argv[1:])
