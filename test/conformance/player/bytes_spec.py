# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Bytes as the case files write them, and tensors as they are recorded.

A spec is one of
  "text"                                  its UTF-8
  {"hex": "00ff"} {"base64": "AP8="}      as named
  {"json": {...}}                         compact JSON
  {"<DATATYPE>": [values]}                little-endian elements, e.g. {"FP32": [1, 2]}, {"BYTES": ["a"]}
  {"repeat": spec, "count": n}            n times the same
  {"cut": spec, "to": n}                  the first n bytes
  {"gzip": spec} {"deflate": spec}        compressed
  [spec, ...]                             one after the other
"""

import base64
import gzip
import hashlib
import json
import struct
import zlib

import numpy as np

NUMPY = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}

LONGEST_RECORDED_TENSOR_BYTES = 4096


def to_bytes(spec):
    if isinstance(spec, str):
        return spec.encode("utf-8")
    if isinstance(spec, list):
        return b"".join(to_bytes(part) for part in spec)
    if "repeat" in spec:
        return to_bytes(spec["repeat"]) * spec["count"]
    if "cut" in spec:
        return to_bytes(spec["cut"])[: spec["to"]]
    ((kind, value),) = spec.items()
    if kind == "hex":
        return bytes.fromhex(value)
    if kind == "base64":
        return base64.b64decode(value)
    if kind == "json":
        return compact_json(value)
    if kind == "gzip":
        return gzip.compress(to_bytes(value))
    if kind == "deflate":
        return zlib.compress(to_bytes(value))
    return pack(kind, value)


def is_spec(value):
    """Whether a value inside a gRPC message stands for bytes."""
    return isinstance(value, dict) and bool(
        {"repeat", "cut", "hex", "base64", "BYTES", "BF16", *NUMPY} & value.keys()
    )


def compact_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def pack(datatype, values):
    if datatype == "BYTES":
        elements = [to_bytes(v) for v in values]
        return b"".join(struct.pack("<I", len(e)) + e for e in elements)
    if datatype == "BF16":
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    return np.array(values, dtype=NUMPY[datatype]).tobytes()


def unpack(datatype, data):
    if datatype == "BYTES":
        return unpack_strings(data)
    if datatype == "BF16":
        pairs = [data[i : i + 2] for i in range(0, len(data), 2)]
        return [struct.unpack("<f", b"\0\0" + pair)[0] for pair in pairs]
    return np.frombuffer(data, dtype=NUMPY[datatype]).tolist()


def unpack_strings(data):
    elements = []
    while data:
        (length,) = struct.unpack("<I", data[:4])
        element, data = data[4 : 4 + length], data[4 + length :]
        if len(element) != length:
            raise ValueError("a string element is cut")
        try:
            elements.append(element.decode("utf-8"))
        except UnicodeDecodeError:
            elements.append({"hex": element.hex()})
    return elements


def describe_tensor(datatype, data):
    """The readable form of a tensor's bytes that packs to exactly the same bytes."""
    if len(data) > LONGEST_RECORDED_TENSOR_BYTES:
        return describe_blob(data)
    try:
        values = unpack(datatype, data)
        if not has_nan(values) and pack(datatype, values) == data:
            return {datatype: values}
    except (KeyError, ValueError, struct.error):
        pass
    return {"hex": data.hex()}


def describe_blob(data):
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def has_nan(values):
    return any(isinstance(v, float) and v != v for v in values)
