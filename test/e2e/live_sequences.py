# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Instances and limits of a model of sequences change while tritonclient's sequences run. Arguments: HTTP and gRPC
endpoints, the model, what its sums begin with. Prints how many requests it has sent."""

import json
import sys

import numpy as np
import tritonclient.http as tritonhttp
from callers import Caller, Callers

STEPS = 6
SEQUENCES_BETWEEN = 6


class Sequence:
    """Adds up. Every answer must be the sum so far."""

    def __init__(self, module, client, model, number, initial):
        self.module, self.client, self.model, self.number = module, client, model, number
        self.sum = initial
        self.steps = 0

    def step(self, end=False):
        data = np.array([[self.number + self.steps]], dtype=np.int32)
        given = self.module.InferInput("IN", data.shape, "INT32")
        given.set_data_from_numpy(data)
        answer = self.client.infer(
            self.model,
            [given],
            sequence_id=self.number,
            sequence_start=self.steps == 0,
            sequence_end=end,
        ).as_numpy("OUT")[0, 0]
        self.sum += self.number + self.steps
        self.steps += 1
        assert answer == self.sum, (self.number, self.steps, answer, self.sum)


class Adder(Caller):
    """Runs one sequence after the other."""

    def __init__(self, module, endpoint, model, first, initial):
        super().__init__(module, endpoint)
        self.model, self.number, self.initial = model, first, initial

    def ask(self, client):
        self.number += 1
        sequence = Sequence(self.module, client, self.model, self.number, self.initial)
        for i in range(STEPS):
            sequence.step(i == STEPS - 1)


def change(client, model, callers, long):
    """Brings counts and limits as the model's own configuration with them changed."""
    config = client.get_model_config(model)
    for count in (3, 1, 2, 4, 1):
        config["instance_group"][0]["count"] = count
        batching = config["sequence_batching"]
        batching["max_sequence_idle_microseconds"] = 60_000_000 + count
        strategy = "oldest" if "oldest" in batching else "direct"
        batching[strategy]["max_queue_delay_microseconds"] = 10 * count
        client.load_model(model, config=json.dumps(config))
        assert client.is_model_ready(model)
        now = client.get_model_config(model)
        assert now["instance_group"][0]["count"] == count, now
        long.step()
        callers.await_more(SEQUENCES_BETWEEN)


def main(http, grpc, model, initial):
    def make(module, endpoint, i):
        return Adder(module, endpoint, model, 1_000_000 * (i + 1), int(initial))

    with tritonhttp.InferenceServerClient(http) as client:
        # Begins before every change and ends after them.
        long = Sequence(tritonhttp, client, model, 7, int(initial))
        long.step()
        with Callers(http, grpc, make) as callers:
            change(client, model, callers, long)
        long.step(end=True)
    print(long.steps + callers.done() * STEPS)


main(*sys.argv[1:])
