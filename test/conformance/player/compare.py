# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Holds an answer against an expectation.

An expectation is the answer as recorded, where any value may be a matcher:
  {"$regex": "..."}                        a string that the expression matches from end to end
  {"$server": {"triton": a, "nereid": b}}  one value for each kind of server
  {"$any": [a, b]}                         one of these, where more than one answer is right
"""

import fnmatch
import re
import struct


def differences(expected, actual, server, path=""):
    """One sentence for each place where they differ; empty when they agree."""
    if isinstance(expected, dict) and "$server" in expected:
        return differences(expected["$server"][server], actual, server, path)
    if isinstance(expected, dict) and "$any" in expected:
        if any(not differences(one, actual, server) for one in expected["$any"]):
            return []
        return [f"{path}: expected one of {short(expected['$any'])}, got {short(actual)}"]
    if isinstance(expected, dict) and "$regex" in expected:
        if isinstance(actual, str) and re.fullmatch(expected["$regex"], actual, re.DOTALL):
            return []
        return [f"{path}: expected /{expected['$regex']}/, got {short(actual)}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        return object_differences(expected, actual, server, path)
    if isinstance(expected, list) and isinstance(actual, list):
        return list_differences(expected, actual, server, path)
    if same_value(expected, actual):
        return []
    return [f"{path}: expected {short(expected)}, got {short(actual)}"]


def object_differences(expected, actual, server, path):
    found = []
    for key in expected.keys() | actual.keys():
        place = f"{path}.{key}" if path else key
        if key not in actual:
            found.append(f"{place}: expected {short(expected[key])}, got nothing")
        elif key not in expected:
            found.append(f"{place}: expected nothing, got {short(actual[key])}")
        else:
            found += differences(expected[key], actual[key], server, place)
    return sorted(found)


def list_differences(expected, actual, server, path):
    if len(expected) != len(actual):
        return [
            f"{path}: expected {len(expected)} elements {short(expected)}, "
            f"got {len(actual)} {short(actual)}"
        ]
    found = []
    for index, (left, right) in enumerate(zip(expected, actual)):
        found += differences(left, right, server, f"{path}[{index}]")
    return found


def same_value(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        both_nan = left != left and right != right
        return both_nan or struct.pack("<d", left) == struct.pack("<d", right)
    return left == right


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


def apply_masks(answer, case):
    """Takes out what a case does not hold: `ignore` removes, `mask` keeps only the type of a value."""
    for pattern in case.get("ignore", []):
        answer = rewrite(answer, pattern.split("."), lambda _: REMOVED)
    for pattern in case.get("mask", []):
        answer = rewrite(answer, pattern.split("."), lambda v: f"<{type(v).__name__}>")
    return answer


def keep_named(answer, names):
    """A repository index with the entries of these models alone."""
    for path in (("json",), ("message", "models")):
        holder = answer
        for key in path[:-1]:
            holder = holder.get(key, {})
        if isinstance(holder.get(path[-1]), list):
            holder[path[-1]] = [entry for entry in holder[path[-1]] if entry.get("name") in names]
    return answer


REMOVED = object()


def rewrite(value, path, change):
    """Applies `change` at every place a dotted path names; `*` stands for anything in a key or index."""
    if not path:
        return change(value)
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        hits = {k for k in value if fnmatch.fnmatchcase(k, head)}
        changed = {k: rewrite(v, rest, change) if k in hits else v for k, v in value.items()}
        return {k: v for k, v in changed.items() if v is not REMOVED}
    if isinstance(value, list):
        changed = [rewrite(v, rest, change) if head in ("*", str(i)) else v for i, v in enumerate(value)]
        return [v for v in changed if v is not REMOVED]
    return value
