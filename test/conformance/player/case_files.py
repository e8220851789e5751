# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Reads and rewrites the case files."""

import json
import pathlib

CASES = pathlib.Path(__file__).resolve().parent.parent / "cases"
LINE = 120

CASE_KEYS = {
    *("name", "why", "steps", "expect", "differs", "only", "mask", "ignore", "until", "copies", "to", "metrics_of", "answers", "named"),
    *("http", "headers", "json", "body", "binary", "raw", "chunk_bytes", "piece_bytes", "then"),
    *("grpc", "message", "bytes", "metadata", "messages", "any_order"),
    *("shared_memory", "reads", "at", "count", "as"),
}


def load(world=None):
    """All case files, or those of one world, as (path, contents)."""
    files = []
    for path in sorted(CASES.glob("*.json")):
        contents = json.loads(path.read_text("utf-8"))
        check(path, contents)
        if world is None or contents["world"] == world:
            files.append((path, contents))
    return files


def check(path, contents):
    names = [case["name"] for case in contents["cases"]]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path.name}: two cases are called '{name}'")
    for case in contents["cases"]:
        for part in [case, *case.get("steps", [])]:
            if unknown := part.keys() - CASE_KEYS:
                raise ValueError(f"{path.name}: '{case['name']}' has unknown keys {sorted(unknown)}")
            if not ({"http", "grpc", "raw", "reads", "steps"} & part.keys()):
                raise ValueError(f"{path.name}: '{case['name']}' sends nothing")
        for entry in [case.get("only"), *case.get("differs", [])]:
            if entry and not entry.get("reason"):
                raise ValueError(f"{path.name}: '{case['name']}' differs without a reason")


def save(path, contents):
    path.write_text(render(contents) + "\n", "utf-8")


def render(value, indent=0, room=LINE):
    """JSON with one line for what fits on it."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(flat) <= room - indent or not isinstance(value, (dict, list)) or not value:
        return flat
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        parts = []
        for key, inner in value.items():
            name = json.dumps(key, ensure_ascii=False)
            text = render(inner, indent + 2, room - len(name) - 3)
            parts.append(f"{pad}{name}: {text}")
        return "{\n" + ",\n".join(parts) + "\n" + " " * indent + "}"
    if all(not isinstance(inner, (dict, list)) for inner in value):
        return flat
    parts = [pad + render(inner, indent + 2, room) for inner in value]
    return "[\n" + ",\n".join(parts) + "\n" + " " * indent + "]"
