# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Differences that hold for every case whose recorded answer looks alike, from families.json.

A family's `when` holds expressions over `status` or `code` and over `error`; where an answer of the real
Triton matches them, `then` replaces parts of what is expected of `server`. `{name}` in it stands for a
named group of the error's expression.
"""

import json
import pathlib
import re

FAMILIES = json.loads((pathlib.Path(__file__).parent.parent / "families.json").read_text("utf-8"))


def family_of(expected):
    """The first family that an expectation belongs to, with the match of its error; or None."""
    for family in FAMILIES:
        if match := matches(family["when"], expected):
            return family, match
    return None


def matches(when, expected):
    error = expected.get("error")
    if not isinstance(error, str):
        return None
    outcome = str(expected.get("status", expected.get("code")))
    if not re.fullmatch(when["outcome"], outcome):
        return None
    return re.fullmatch(when["error"], error, re.DOTALL)


def adapt(expected, kinds):
    """What a server of these names should answer where the real Triton answered `expected`."""
    found = family_of(expected) if expected else None
    if found is None or found[0]["server"] not in kinds:
        return expected
    family, match = found
    return {**expected, **fill(family["then"], match.groupdict())}


def fill(value, groups):
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda m: groups[m[1]], value)
    if isinstance(value, dict) and "$regex" in value:
        escaped = {name: re.escape(text) for name, text in groups.items()}
        return {"$regex": fill(value["$regex"], escaped)}
    if isinstance(value, dict):
        return {key: fill(inner, groups) for key, inner in value.items()}
    return value
