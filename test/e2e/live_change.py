# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Instances and limits of a model change while tritonclient uses it. Arguments: HTTP and gRPC endpoints, the model."""

import json
import sys

import numpy as np
import tritonclient.http as tritonhttp
from callers import Caller, Callers

ANSWERS_BETWEEN = 50


class Echo(Caller):
    def __init__(self, module, endpoint, model, first):
        super().__init__(module, endpoint)
        self.model, self.number = model, first

    def ask(self, client):
        self.number += 1
        data = np.array([[self.number]], dtype=np.int32)
        given = self.module.InferInput("IN", data.shape, "INT32")
        given.set_data_from_numpy(data)
        answer = client.infer(self.model, [given]).as_numpy("OUT")
        assert np.array_equal(answer, data), (answer, data)


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
        callers.await_more(ANSWERS_BETWEEN)


def main(http, grpc, model):
    def make(module, endpoint, i):
        return Echo(module, endpoint, model, 1_000_000 * i)

    with tritonhttp.InferenceServerClient(http) as client, Callers(http, grpc, make) as callers:
        change(client, model, callers)
    print(callers.done())


main(*sys.argv[1:])
