# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Threads that ask with tritonclient, over HTTP and gRPC, while something is done to the server."""

import threading

import tritonclient.grpc as tritongrpc
import tritonclient.http as tritonhttp

THREADS = 3


class Caller(threading.Thread):
    """Does one thing after the other until it is told to stop."""

    def __init__(self, module, endpoint):
        super().__init__()
        self.module, self.endpoint = module, endpoint
        self.done = 0
        self.ends = False
        self.problem = None

    def ask(self, client):
        """Asks and checks what is answered."""
        raise NotImplementedError

    def run(self):
        try:
            with self.module.InferenceServerClient(self.endpoint) as client:
                while not self.ends:
                    self.ask(client)
                    self.done += 1
        except Exception as error:  # told by the main thread
            self.problem = error


class Callers:
    """Some of each protocol at once, made by `make(module, endpoint, index)`."""

    def __init__(self, http, grpc, make):
        pairs = [(tritonhttp, http), (tritongrpc, grpc)] * THREADS
        self.callers = [make(*pair, i) for i, pair in enumerate(pairs)]

    def done(self):
        return sum(caller.done for caller in self.callers)

    def await_more(self, count):
        """Until so many more are done, or one of them has a problem."""
        wanted = self.done() + count
        while self.done() < wanted and not any(caller.problem for caller in self.callers):
            self.callers[0].join(0.01)

    def __enter__(self):
        for caller in self.callers:
            caller.start()
        return self

    def __exit__(self, *error):
        for caller in self.callers:
            caller.ends = True
        for caller in self.callers:
            caller.join()
        for caller in self.callers:
            if error[0] is None and caller.problem is not None:
                raise caller.problem
