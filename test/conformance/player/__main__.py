# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""Plays the cases of one world at every server and writes one JSON line for each result.

Servers are given as NAME=KIND,HTTP,GRPC,METRICS where KIND is `triton` or `nereid`. With --record the
only server is the real Triton, and what it answers becomes the expectation of the cases that have none
(of all chosen cases with --force).
"""

import argparse
import concurrent.futures
import json
import sys
import time

from . import case_files, clients, families, grpc_wire, http_wire, shared_memory, versions
from .compare import apply_masks, differences, keep_named

UNTIL_S = 20
BETWEEN_TRIES_S = 0.02


class Server:
    def __init__(self, text):
        self.name, rest = text.split("=", 1)
        self.kind, self.http, self.grpc, self.metrics = rest.split(",")
        self.channel = grpc_wire.open_channel(self.grpc)

    def send(self, part):
        return shared_memory.hide(self.send_as_it_is(shared_memory.fill(part)))

    def send_as_it_is(self, part):
        try:
            if "reads" in part:
                return shared_memory.read(part)
            if "grpc" in part:
                return grpc_wire.play(self.channel, part)
            endpoint = self.metrics if part.get("to") == "metrics" else self.http
            return http_wire.play(endpoint, part, self.kind)
        except Exception as error:  # A broken answer is a result like any other.
            return {"broken": f"{type(error).__name__}: {error}"}

    def plays(self, case):
        only = case.get("only")
        return only is None or only["server"] in (self.kind, self.name)


def expectation(part, server):
    for entry in part.get("differs", []):
        if entry["server"] in (server.kind, server.name):
            return entry["expect"]
    return families.adapt(part.get("expect"), (server.kind, server.name))


def observe(server, case, part):
    """One answer, without what the case does not hold; many at once where the case asks for copies."""
    with concurrent.futures.ThreadPoolExecutor(part.get("copies", 1)) as pool:
        answers = list(pool.map(lambda _: server.send(part), range(part.get("copies", 1))))
    if "named" in part:
        answers = [keep_named(answer, part["named"]) for answer in answers]
    masks = {key: case.get(key, []) + part.get(key, []) for key in ("ignore", "mask")}
    answers = [apply_masks(answer, masks) for answer in answers]
    odd = [answer for answer in answers if differences(answers[0], answer, server.kind)]
    return {"unlike": [answers[0], odd[0]]} if odd else answers[0]


def play_part(server, case, part):
    """Returns (answer, problems)."""
    expected = expectation(part, server)
    deadline = time.monotonic() + UNTIL_S
    while True:
        answer = observe(server, case, part)
        if expected is None:
            return answer, ["no expectation is recorded"]
        problems = differences(expected, answer, server.kind)
        if not problems or not part.get("until") or time.monotonic() > deadline:
            return answer, problems
        time.sleep(BETWEEN_TRIES_S)


def play_case(server, case):
    answers, problems = [], []
    with shared_memory.objects(case):
        for index, part in enumerate(case.get("steps", [case])):
            answer, found = play_part(server, case, part)
            answers.append(answer)
            where = f"step {index + 1}: " if "steps" in case else ""
            problems += [where + problem for problem in found]
    return answers, problems


def record_case(server, path, contents, force, case):
    for part in case.get("steps", [case]):
        keep = part.get("until") or ("expect" in part and not force)
        if keep and not part.get("until") and "steps" not in case:
            continue
        answer, problems = play_part(server, case, part)
        if answer.keys() & {"broken", "closed"} and not is_live(server):
            case["only"] = {"server": "nereid", "reason": "The real Triton 2.51 dies of it (SIGSEGV)."}
            case_files.save(path, contents)
            sys.exit(f"the server died in {path.name}: {case['name']}")
        if not keep and (problems or "expect" not in part):
            part["expect"] = answer


def record(server, path, contents, force, chosen):
    """Writes what the real Triton answers; a case that ends it is marked, and the recording stops there."""
    for case in contents["cases"]:
        if not server.plays(case) or not chosen(case):
            continue
        with shared_memory.objects(case):
            record_case(server, path, contents, force, case)
    case_files.save(path, contents)


def is_live(server):
    # 403: health itself is behind a secret in one of the worlds.
    return server.send({"http": "GET /v2/health/live"}).get("status") in (200, 403)


def play_file(servers, path, contents, chosen, report):
    topic = path.stem
    for case in contents["cases"]:
        if not chosen(case):
            continue
        answers = {}
        for server in servers:
            if server.plays(case):
                answers[server.name], problems = play_case(server, case)
                report(f"{server.name}: {topic}: {case['name']}", problems)
        if "native" in answers and "typescript" in answers:
            problems = differences(answers["native"], answers["typescript"], "nereid")
            report(f"native = typescript: {topic}: {case['name']}", problems)
    for server in servers:
        report(f"{server.name}: {topic}: lives on", [] if is_live(server) else ["it is gone"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--world", default="")
    parser.add_argument("--server", action="append", default=[])
    parser.add_argument("--write-versions", action="store_true")
    parser.add_argument("--check-versions", action="store_true")
    parser.add_argument("--only", default="", help="plays the cases whose file or name contains this")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--force", action="store_true")
    args = parser.parse_args()
    servers = [Server(text) for text in args.server]

    def report(name, problems):
        print(json.dumps({"name": name, "problems": problems}), flush=True)

    if args.write_versions:
        versions.PAGE.write_text(versions.render(), "utf-8")
    if args.write_versions or args.check_versions:
        report("versions.md lists every difference", versions.problems())
        return
    for path, contents in case_files.load(args.world):
        chosen = lambda case, path=path: args.only in path.stem or args.only in case["name"]
        if args.record:
            record(servers[0], path, contents, args.force, chosen)
        elif any(chosen(case) for case in contents["cases"]):
            play_file(servers, path, contents, chosen, report)
    if args.world == "main" and not args.record:
        for server in servers:
            clients.play(server, args.only, report)


if __name__ == "__main__":
    sys.exit(main())
