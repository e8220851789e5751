# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers of a JSON answer as values of their tensor's datatype."""

import math

import numpy as np


def typed_outputs(value):
    """Rewrites each output's `data` so that equal tensors compare equal however they were printed."""
    if not isinstance(value, dict) or not isinstance(value.get("outputs"), list):
        return value
    outputs = [typed_output(output) for output in value["outputs"]]
    return {**value, "outputs": outputs}


def typed_output(output):
    if not isinstance(output, dict) or not isinstance(output.get("data"), list):
        return output
    return {**output, "data": [typed(output.get("datatype"), v) for v in output["data"]]}


def typed(datatype, value):
    if not is_number(value):
        return value
    if datatype == "FP32":
        with np.errstate(over="ignore"):
            return finite(float(np.float32(value)))
    if datatype == "FP64":
        return finite(float(value))
    return finite(value)


def finite(value):
    """Itself, or its name where JSON has no number for it."""
    return value if math.isfinite(value) else {"float": str(value)}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)
