# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Checks a schema on stdin, texts it must take and texts it must refuse."""

import json
import sys

from jsonschema import Draft7Validator

task = json.load(sys.stdin)
Draft7Validator.check_schema(task["schema"])
validator = Draft7Validator(task["schema"])
for text in task["good"]:
    for error in validator.iter_errors(json.loads(text)):
        print(f"did not take {text}: {error.message}")
for text in task["refused"]:
    if validator.is_valid(json.loads(text)):
        print(f"took {text}")
print(f"took {len(task['good'])}, refused {len(task['refused'])}")
