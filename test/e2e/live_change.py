# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Instances and limits of a model change while tritonclient uses it. Arguments: HTTP and gRPC endpoints, the model."""

import json
import sys
import threading

import numpy as np
import tritonclient.grpc as tritongrpc
import tritonclient.http as tritonhttp

THREADS = 3
ANSWERS_BETWEEN = 50


class Caller(threading.Thread):
    """Asks until it is told to stop, and checks every answer."""

    def __init__(self, module, endpoint, model, first):
        super().__init__()
        self.module, self.endpoint, self.model, self.number = module, endpoint, model, first
        self.answers = 0
        self.ends = False
        self.problem = None

    def run(self):
        try:
            with self.module.InferenceServerClient(self.endpoint) as client:
                while not self.ends:
                    self.ask(client)
        except Exception as error:  # told by the main thread
            self.problem = error

    def ask(self, client):
        self.number += 1
        data = np.array([[self.number]], dtype=np.int32)
        given = self.module.InferInput("IN", data.shape, "INT32")
        given.set_data_from_numpy(data)
        answer = client.infer(self.model, [given]).as_numpy("OUT")
        assert np.array_equal(answer, data), (answer, data)
        self.answers += 1


def change(client, model, callers):
    """Brings counts and limits as the model's own configuration with them changed."""
    config = client.get_model_config(model)
    for count in (4, 1, 3, 1):
        config["instance_group"][0]["count"] = count
        config["dynamic_batching"]["max_queue_delay_microseconds"] = 100 * count
        config["dynamic_batching"]["default_queue_policy"] = {"max_queue_size": 1000 + count}
        client.load_model(model, config=json.dumps(config))
        assert client.is_model_ready(model)
        now = client.get_model_config(model)
        assert now["instance_group"][0]["count"] == count, now
        assert now["dynamic_batching"]["default_queue_policy"]["max_queue_size"] == 1000 + count
        wanted = sum(caller.answers for caller in callers) + ANSWERS_BETWEEN
        while sum(caller.answers for caller in callers) < wanted and not any(
            caller.problem for caller in callers
        ):
            callers[0].join(0.01)


def main(http, grpc, model):
    callers = [
        Caller(*pair, model, 1_000_000 * i)
        for i, pair in enumerate([(tritonhttp, http), (tritongrpc, grpc)] * THREADS)
    ]
    for caller in callers:
        caller.start()
    try:
        with tritonhttp.InferenceServerClient(http) as client:
            change(client, model, callers)
    finally:
        for caller in callers:
            caller.ends = True
        for caller in callers:
            caller.join()
    for caller in callers:
        if caller.problem is not None:
            raise caller.problem
    print(sum(caller.answers for caller in callers))


main(*sys.argv[1:])
