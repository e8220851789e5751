# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the ONNX files of model_repository/ and the data that their tests use.

    python3 -m venv /tmp/models && /tmp/models/bin/pip install -r scripts/make-models.requirements.txt
    /tmp/models/bin/python scripts/make-models.py            writes the files into this clone
    /tmp/models/bin/python scripts/make-models.py --check    writes nothing; fails if a file would differ

What it writes (each checked with onnx.checker and run with ONNX Runtime first):

    model_repository/digits/1/model.onnx         image FP32[N,1,8,8] -> probabilities FP32[N,10], label INT64[N,1]
    model_repository/simple/1/model.onnx         INPUT0, INPUT1 INT32[N,16] -> OUTPUT0 sum, OUTPUT1 difference
    model_repository/simple_string/1/model.onnx  the same on decimal numbers written as strings
    test/fixtures/digits/held-out.json           the images never trained on, pixels 0..16, and their labels
    docs/examples/digits/*.png                   one held-out image of each digit, 8x8 grey, and one enlarged
    docs/examples/digits/7.json                  the request that asks for the digit on 7.png

Every run with the pinned packages gives the same bytes: the seeds are fixed, one thread does the sums, and BLAS is told
which kernels to use. A machine without AVX2 may add in another order, which changes the last digits of the digits
weights, and a Python with another zlib may pack the PNG files differently; what the files mean stays the same.
"""

import os
import platform

# Read by OpenBLAS when numpy loads it, so they come before the imports.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
if platform.machine() == "x86_64":
    os.environ["OPENBLAS_CORETYPE"] = "Haswell"

import argparse
import json
import pathlib
import struct
import sys
import warnings
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEED = 20
EPOCHS = 150
HELD_OUT = 0.2
FLOOR = 0.95
# Old enough for every ONNX Runtime that has API 17.
OPSET = 17
IR_VERSION = 8


def finish(nodes, name, inputs, outputs, initializers=(), doc="") -> bytes:
    """Wraps nodes into a checked model. inputs and outputs are (name, element type, shape).

    A node is named after what it yields: ONNX Runtime's error texts name the node.
    """
    for node in nodes:
        node.name = node.output[0]
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(*spec) for spec in inputs],
        [helper.make_tensor_value_info(*spec) for spec in outputs],
        initializer=list(initializers),
        doc_string=doc,
    )
    model = helper.make_model(
        graph, producer_name="nereid", opset_imports=[helper.make_opsetid("", OPSET)]
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def shifted(images, dy, dx):
    """images [N,8,8] moved by one pixel; what leaves the frame is lost, what enters is empty."""
    moved = np.zeros_like(images)
    height, width = images.shape[1:]
    moved[:, max(dy, 0) : height + min(dy, 0), max(dx, 0) : width + min(dx, 0)] = images[
        :, max(-dy, 0) : height + min(-dy, 0), max(-dx, 0) : width + min(-dx, 0)
    ]
    return moved


def split():
    """Returns pixels [N,8,8] of 0..16 and labels [N], for training and held out (stratified)."""
    digits = load_digits()
    return train_test_split(
        digits.images.astype(np.uint8),
        digits.target.astype(np.int64),
        test_size=HELD_OUT,
        random_state=SEED,
        stratify=digits.target,
    )


def train(pixels, labels):
    """Trains 64-128-10 on the images and on each moved by one pixel; returns [(weights, bias)].

    Size and decay were chosen by cross-validation inside the training set.
    """
    moves = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
    images = np.concatenate([shifted(pixels, dy, dx) for dy, dx in moves]) / 16.0
    network = MLPClassifier(
        hidden_layer_sizes=(128,),
        alpha=0.01,
        learning_rate_init=0.002,
        max_iter=EPOCHS,
        n_iter_no_change=EPOCHS,
        random_state=SEED,
    )
    with warnings.catch_warnings():
        # A fixed number of epochs is meant; that it did not converge further is no news.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(images.reshape(len(images), 64), np.tile(labels, len(moves)))
    return [
        (w.astype(np.float32), b.astype(np.float32))
        for w, b in zip(network.coefs_, network.intercepts_)
    ]


def digits_model(layers) -> bytes:
    (w0, b0), (w1, b1) = layers
    weights = {"hidden.weight": w0, "hidden.bias": b0, "output.weight": w1, "output.bias": b1}
    return finish(
        [
            helper.make_node("Flatten", ["image"], ["pixels"], axis=1),
            helper.make_node("Gemm", ["pixels", "hidden.weight", "hidden.bias"], ["hidden"]),
            helper.make_node("Relu", ["hidden"], ["active"]),
            helper.make_node("Gemm", ["active", "output.weight", "output.bias"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
            helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=1),
        ],
        "digits",
        [("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [
            ("probabilities", TensorProto.FLOAT, ["batch", 10]),
            ("label", TensorProto.INT64, ["batch", 1]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
        "Handwritten digits. image: 8x8 grey, ink bright, 0..1.",
    )


def simple_model() -> bytes:
    pair = ["INPUT0", "INPUT1"]
    return finish(
        [
            helper.make_node("Add", pair, ["OUTPUT0"]),
            helper.make_node("Sub", pair, ["OUTPUT1"]),
        ],
        "simple",
        [(name, TensorProto.INT32, ["batch", 16]) for name in pair],
        [(name, TensorProto.INT32, ["batch", 16]) for name in ["OUTPUT0", "OUTPUT1"]],
        doc="OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1.",
    )


def simple_string_model() -> bytes:
    pair = ["INPUT0", "INPUT1"]
    nodes = [helper.make_node("Cast", [name], [name + ".n"], to=TensorProto.INT32) for name in pair]
    for op, output in [("Add", "OUTPUT0"), ("Sub", "OUTPUT1")]:
        nodes.append(helper.make_node(op, ["INPUT0.n", "INPUT1.n"], [output + ".n"]))
        nodes.append(helper.make_node("Cast", [output + ".n"], [output], to=TensorProto.STRING))
    return finish(
        nodes,
        "simple_string",
        [(name, TensorProto.STRING, ["batch", 16]) for name in pair],
        [(name, TensorProto.STRING, ["batch", 16]) for name in ["OUTPUT0", "OUTPUT1"]],
        doc="Sum and difference of decimal numbers written as strings.",
    )


def png(pixels, scale=1) -> bytes:
    """Writes pixels [8,8] of 0..16 as an 8-bit grey PNG, each pixel as a scale x scale square."""
    grey = np.round(pixels.astype(np.float64) * 255 / 16).astype(np.uint8)
    grey = grey.repeat(scale, axis=0).repeat(scale, axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in grey)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def held_out_json(pixels, labels) -> bytes:
    """One image per line, so that a change can be read."""
    lines = [json.dumps(image.flatten().tolist(), separators=(",", ":")) for image in pixels]
    return (
        '{\n"about": "Held-out handwritten digits, never trained on: 8x8 pixels of 0..16, row by row.",\n'
        f'"labels": {json.dumps(labels.tolist(), separators=(",", ":"))},\n'
        '"images": [\n' + ",\n".join(lines) + "\n]\n}\n"
    ).encode()


def request_json(pixels) -> bytes:
    """The body of an infer request for one image, laid out so that the digit can be seen."""
    rows = [", ".join(f"{value / 16:.4f}" for value in row) for row in pixels]
    return (
        '{\n  "inputs": [{\n    "name": "image",\n    "shape": [1, 1, 8, 8],\n'
        '    "datatype": "FP32",\n    "data": [\n      ' + ",\n      ".join(rows) + "\n    ]\n  }]\n}\n"
    ).encode()


def expect(fact, sentence):
    if not fact:
        sys.exit(f"make-models: {sentence}")


def check_simple(model: bytes, element):
    a = np.arange(32, dtype=np.int32).reshape(2, 16)
    b = np.full((2, 16), -3, dtype=np.int32)
    total, difference = session(model).run(None, {"INPUT0": element(a), "INPUT1": element(b)})
    expect((total == element(a + b)).all(), "OUTPUT0 is not the sum")
    expect((difference == element(a - b)).all(), "OUTPUT1 is not the difference")


def build() -> dict[str, bytes]:
    """Returns path -> bytes of every file this script owns."""
    simple, simple_string = simple_model(), simple_string_model()
    check_simple(simple, lambda x: x)
    check_simple(simple_string, lambda x: x.astype(str).astype(object))

    train_pixels, test_pixels, train_labels, test_labels = split()
    digits = digits_model(train(train_pixels, train_labels))
    images = (test_pixels / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    probabilities, label = session(digits).run(None, {"image": images})
    expect(len(digits) < 100_000, f"digits is {len(digits)} bytes, at most 100000 wanted")
    expect(np.allclose(probabilities.sum(axis=1), 1, atol=1e-5), "probabilities do not add up to 1")
    right = label[:, 0] == test_labels
    expect(right.mean() >= FLOOR, f"{right.mean():.4f} of the held-out digits right, {FLOOR} wanted")
    print(f"digits: {right.sum()} of {len(right)} held-out images right ({right.mean():.4f})")

    files = {
        "model_repository/digits/1/model.onnx": digits,
        "model_repository/simple/1/model.onnx": simple,
        "model_repository/simple_string/1/model.onnx": simple_string,
        "test/fixtures/digits/held-out.json": held_out_json(test_pixels, test_labels),
    }
    # Of each digit the held-out image that the model is surest of: examples should be clear.
    for digit in range(10):
        sure = np.where(test_labels == digit, probabilities[:, digit], 0)
        image = test_pixels[sure.argmax()]
        files[f"docs/examples/digits/{digit}.png"] = png(image)
        if digit == 7:
            files["docs/examples/digits/7-large.png"] = png(image, 8)
            files["docs/examples/digits/7.json"] = request_json(image)
    return files


def main():
    parser = argparse.ArgumentParser(description="Makes the ONNX files of model_repository/.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail on a difference")
    check = parser.parse_args().check
    different = []
    for name, content in build().items():
        path = ROOT / name
        if path.exists() and path.read_bytes() == content:
            continue
        different.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            print(f"wrote {name} ({len(content)} bytes)")
    expect(not (check and different), f"these files would differ: {', '.join(different)}")


if __name__ == "__main__":
    main()
