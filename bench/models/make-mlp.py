#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Writes mlp/1/model.onnx (64-128-64-10, ReLU, fixed random weights) and mlp/reference.csv
(one line of input, one of the right output).

Needs the packages `onnx` and `numpy`. The output is the same bytes at every run, so a changed
file means a changed script.
"""
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTHS = [64, 128, 64, 10]
FOLDER = Path(__file__).parent / "mlp"


def main() -> None:
    rng = np.random.Generator(np.random.PCG64(20))
    nodes, initializers = [], []
    name = "x"
    # The reference is computed in float64: what a right answer is must not depend on a runtime.
    row = (rng.integers(-128, 128, size=(1, WIDTHS[0])) / 64.0).astype(np.float32)
    value = row.astype(np.float64)
    for layer, (fan_in, fan_out) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        weight = (rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)).astype(np.float32)
        bias = (rng.standard_normal(fan_out) * 0.1).astype(np.float32)
        initializers += [numpy_helper.from_array(weight, f"w{layer}"),
                         numpy_helper.from_array(bias, f"b{layer}")]
        last = layer == len(WIDTHS) - 2
        out = "y" if last else f"h{layer}"
        nodes.append(helper.make_node("Gemm", [name, f"w{layer}", f"b{layer}"],
                                      [out if last else f"g{layer}"], name=f"gemm{layer}"))
        value = value @ weight.astype(np.float64) + bias
        if not last:
            nodes.append(helper.make_node("Relu", [f"g{layer}"], [out], name=f"relu{layer}"))
            value = np.maximum(value, 0.0)
        name = out
    graph = helper.make_graph(
        nodes, "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", WIDTHS[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", WIDTHS[-1]])],
        initializers)
    model = helper.make_model(graph, producer_name="nereid-bench",
                              opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    (FOLDER / "1").mkdir(parents=True, exist_ok=True)
    (FOLDER / "1" / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    lines = [",".join(map(repr, line.ravel().tolist())) for line in (row, value)]
    (FOLDER / "reference.csv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
