# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Validates OpenAPI documents, one JSON text a line on stdin; and that examples fit their schemas."""

import json
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

count = 0
for line in sys.stdin:
    document = json.loads(line)
    OpenAPIV31SpecValidator(document).validate()
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
        for example in schema.get("examples", []):
            Draft202012Validator(schema).validate(example)
            count += 1
print(f"{count} examples")
