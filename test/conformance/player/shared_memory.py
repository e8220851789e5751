# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of shared memory that a case needs, and a look at what a server wrote there.

Names in a case begin with `{{shm}}`, which stands for a prefix of this run alone: several runs may share a machine.
"""

import contextlib
import json
import os
import pathlib

from .bytes_spec import describe_tensor, to_bytes

FOLDER = pathlib.Path("/dev/shm")
PLACEHOLDER = "{{shm}}"
PREFIX = f"nereid_conformance_{os.getpid()}_"


@contextlib.contextmanager
def objects(case):
    """Makes the objects of `case["shared_memory"]`, {name: {"size": bytes, "bytes": spec}}, and removes them."""
    paths = []
    try:
        for name, spec in case.get("shared_memory", {}).items():
            paths.append(FOLDER / (PREFIX + name))
            contents = to_bytes(spec.get("bytes", ""))
            paths[-1].write_bytes(contents.ljust(spec["size"], b"\0"))
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def read(part):
    """The answer of a step {"reads": name, "at": offset, "count": bytes, "as": datatype}."""
    with (FOLDER / (PREFIX + part["reads"])).open("rb") as file:
        file.seek(part.get("at", 0))
        return describe_tensor(part.get("as", "UINT8"), file.read(part["count"]))


def fill(part):
    return exchange(part, PLACEHOLDER, PREFIX)


def hide(answer):
    return exchange(answer, PREFIX, PLACEHOLDER)


def exchange(value, old, new):
    text = json.dumps(value)
    return json.loads(text.replace(old, new)) if old in text else value
