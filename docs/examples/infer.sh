#!/bin/sh
# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
#
# Asks the model `digits` which digit an image shows, with nothing but curl.
#
#   docs/examples/infer.sh [host:port]      default localhost:8000

cd "$(dirname "$0")" || exit 1
curl --silent --show-error --fail-with-body \
  --data @digits/7.json "http://${1:-localhost:8000}/v2/models/digits/infer"
