# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Writes versions.md: every case where Nereid is not expected to answer as the real Triton did."""

import json
import pathlib

from . import case_files, families

PAGE = pathlib.Path(__file__).resolve().parent.parent / "versions.md"
HEAD = """<!-- Written by `npm run test:conformance -- --write-versions`; the run fails when it is out of date. -->

# Where Nereid does not answer as the recorded Triton

The cases hold what Triton 2.51 answered, the version of the wheel. Nereid follows 2.73 where the two differ, and
does better where Triton's answer is plainly a mistake. Each entry has its reason; nothing else may differ. Beside
these, `GET /v2` names version 2.73.0, a configuration's `runtime` is empty (`model.py` of the stand-in backend on the
real Triton), and neither the content type of an error (Triton answers some as text/plain) nor blanks at the end of its
text are compared.
"""


def render():
    files = case_files.load()
    parts = [HEAD, "## By rule\n"]
    members = family_members(files)
    for family in families.FAMILIES:
        parts.append(f"### {family['name']}\n\n{family['reason']}\n")
        for topic, names in members.get(family["name"], {}).items():
            parts.append(f"- {topic} ({len(names)}): {'; '.join(names)}")
        parts.append("")
    parts.append("## Case by case\n\n| case | Triton 2.51 | Nereid | why |\n| --- | --- | --- | --- |")
    for topic, case, part, entry in own_entries(files):
        parts.append(row(topic, case, brief(part.get("expect")), brief(entry["expect"]), entry["reason"]))
    parts.append("\n## At one server only\n\n| case | only at | why |\n| --- | --- | --- |")
    for path, contents in files:
        for case in contents["cases"]:
            if only := case.get("only"):
                parts.append(row(path.stem, case, only["server"], only["reason"]))
    return "\n".join(parts) + "\n"


def family_members(files):
    members = {}
    for path, contents in files:
        for case in contents["cases"]:
            for part in case.get("steps", [case]):
                found = families.family_of(part.get("expect") or {})
                if found and not part.get("differs"):
                    topics = members.setdefault(found[0]["name"], {})
                    names = topics.setdefault(path.stem, [])
                    if case["name"] not in names:
                        names.append(case["name"])
    return members


def own_entries(files):
    for path, contents in files:
        for case in contents["cases"]:
            for part in case.get("steps", [case]):
                for entry in part.get("differs", []):
                    yield path.stem, case, part, entry


def row(topic, case, *cells):
    return "| " + " | ".join(cell(text) for text in (f"{topic}: {case['name']}", *cells)) + " |"


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def brief(expected):
    if expected is None:
        return "not played"
    if expected.get("closed"):
        return "closes the connection"
    outcome = expected.get("status", expected.get("code", ""))
    if isinstance(outcome, dict):
        outcome = " or ".join(str(one) for one in outcome["$any"])
    error = expected.get("error")
    if isinstance(error, dict):
        error = "a sentence" if error.get("$regex") == ".+" else f"/{error.get('$regex')}/"
    rest = {k: v for k, v in expected.items() if k not in ("status", "code", "error", "headers")}
    text = error if error else json.dumps(rest, ensure_ascii=False) if rest else ""
    return f"{outcome} {text if len(text) <= 160 else text[:160] + '…'}".strip()


def problems():
    """A sentence when the page does not say what the case files say."""
    if PAGE.exists() and PAGE.read_text("utf-8") == render():
        return []
    return ["versions.md does not list the differences of the case files: run it with --write-versions"]
