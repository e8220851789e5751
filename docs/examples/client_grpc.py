# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Asks the model `digits` over gRPC with Triton's own client, unchanged.

    pip install 'tritonclient[grpc]'
    python docs/examples/client_grpc.py [host:port]      default localhost:8001
"""

import json
import pathlib
import sys

import numpy as np
import tritonclient.grpc as triton

address = sys.argv[1] if len(sys.argv) > 1 else "localhost:8001"
request = json.loads((pathlib.Path(__file__).parent / "digits" / "7.json").read_text())
pixels = np.array(request["inputs"][0]["data"], dtype=np.float32).reshape(1, 1, 8, 8)

image = triton.InferInput("image", list(pixels.shape), "FP32")
image.set_data_from_numpy(pixels)

with triton.InferenceServerClient(address) as client:
    answer = client.infer("digits", [image])

label = answer.as_numpy("label")[0, 0]
probability = answer.as_numpy("probabilities")[0, label]
print(f"digit {label}, probability {probability:.3f}")
