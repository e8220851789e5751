# SPDX-FileCopyrightText: The Nereid authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 by hand, so that a case can send what no client library would."""

import gzip
import json
import re
import socket
import zlib

from .bytes_spec import compact_json, describe_blob, describe_tensor, to_bytes
from .typed import typed_outputs

TIMEOUT_S = 20
# Lengths and dates say nothing a case could hold; the rest of an answer's headers is compared.
SKIPPED_HEADERS = {
    "content-length",
    "date",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "inference-header-content-length",
}


def play(endpoint, request, kind):
    """Sends one request on a connection of its own and describes the answer of a `kind` of server."""
    if request.get("then") == f"half-close at {kind}":
        request = {**request, "then": "half-close"}
    answers = exchange(endpoint, encode(endpoint, request), request)
    if "answers" in request:
        return {"answers": [describe(*answer) for answer in answers]}
    ((status, headers, body),) = answers
    if "metrics_of" in request and status == 200:
        return {"status": 200, **describe_metrics(body.decode("utf-8"), request["metrics_of"])}
    return describe(status, headers, body)


def encode(endpoint, request):
    if "raw" in request:
        return to_bytes(request["raw"])
    body, headers = body_and_headers(request)
    if "chunk_bytes" in request:
        headers.setdefault("Transfer-Encoding", "chunked")
        body = chunked(body, request["chunk_bytes"])
    elif not any(name.lower() == "content-length" for name in headers):
        if body or not request["http"].startswith("GET"):
            headers["Content-Length"] = str(len(body))
    lines = [f"{request['http']} HTTP/1.1", f"Host: {endpoint}"]
    for name, value in headers.items():
        if value is not None:
            lines.append(f"{name}: {to_bytes(value).decode('latin-1')}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def body_and_headers(request):
    headers = dict(request.get("headers", {}))
    body = to_bytes(request.get("body", ""))
    if "json" in request:
        body = compact_json(request["json"])
    if "binary" in request:
        headers.setdefault("Inference-Header-Content-Length", str(len(body)))
        body += to_bytes(request["binary"])
    return body, headers


def chunked(body, size):
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n\r\n"


def exchange(endpoint, data, request):
    """The answers on one connection: one, or as many as the case asks for."""
    host, port = endpoint.rsplit(":", 1)
    with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            send(connection, data, request.get("piece_bytes"))
            if request.get("then") == "half-close":
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It may answer before it has read everything.
        reader = connection.makefile("rb")
        is_head = request.get("http", "").startswith("HEAD")
        return [read_or_closed(reader, is_head) for _ in range(request.get("answers", 1))]


def read_or_closed(reader, is_head):
    try:
        return read_answer(reader, is_head)
    except ConnectionResetError:
        return None, {}, b""


def send(connection, data, piece_bytes):
    step = piece_bytes or max(len(data), 1)
    for start in range(0, len(data), step):
        connection.sendall(data[start : start + step])


def read_answer(reader, is_head=False):
    """Returns (status or None when the peer closed without an answer, headers, body)."""
    line = reader.readline()
    if not line:
        return None, {}, b""
    status = int(line.split()[1])
    headers = {}
    for raw in iter(reader.readline, b"\r\n"):
        if not raw:
            raise EOFError("the answer ends inside its head")
        name, _, value = raw.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    if status == 100:
        return read_answer(reader, is_head)
    return status, headers, b"" if is_head else read_body(reader, headers)


def read_body(reader, headers):
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int(reader.readline().split(b";")[0], 16):
            body += reader.read(size)
            reader.readline()
        reader.readline()
        return body
    if "content-length" in headers:
        length = int(headers["content-length"])
        body = reader.read(length)
        if len(body) != length:
            raise EOFError(f"the body has {len(body)} of {length} bytes")
        return body
    return reader.read()


def describe(status, headers, body):
    if status is None:
        return {"closed": True}
    answer = {"status": status}
    kept = {name: value for name, value in headers.items() if name not in SKIPPED_HEADERS}
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    elif headers.get("content-encoding") == "deflate":
        body = zlib.decompress(body)
    if status != 200 or not body:
        # An error's type is no part of the contract (clients parse the body whatever it says), nor that of nothing.
        kept.pop("content-type", None)
    if kept and status == 200:
        answer["headers"] = kept
    header_length = headers.get("inference-header-content-length")
    if header_length is not None:
        return {**answer, **describe_binary(body, int(header_length))}
    if headers.get("content-type", "").startswith("text/event-stream"):
        return {**answer, "events": describe_events(body)}
    return {**answer, **describe_body(body)}


def describe_events(body):
    """The JSON of each server-sent event; what is no such event stays text."""
    events = body.decode("utf-8", "replace").split("\n\n")
    if events.pop() != "":
        return ["<cut off>"]
    return [describe_event(event) for event in events]


def describe_event(event):
    try:
        return json.loads(event.removeprefix("data: ")) if event.startswith("data: ") else event
    except ValueError:
        return event


def describe_metrics(page, pattern):
    """The samples, types and help texts of a Prometheus page that a pattern finds; labels in one order."""
    samples, types, helps = {}, {}, {}
    for line in page.splitlines():
        if not re.search(pattern, line):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            types[name] = kind
        elif line.startswith("# HELP "):
            _, _, name, text = line.split(" ", 3)
            helps[name] = text
        elif not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            name, _, labels = series.partition("{")
            labels = ",".join(sorted(labels.rstrip("}").split(",")))
            samples[f"{name}{{{labels}}}" if labels else name] = float(value)
    return {key: value for key, value in (("samples", samples), ("types", types), ("helps", helps)) if value}


def describe_body(body):
    if not body:
        return {}
    try:
        value = json.loads(body)
    except (UnicodeDecodeError, ValueError):
        return {"text": body.decode("latin-1")} if len(body) < 4096 else {"body": describe_blob(body)}
    if isinstance(value, dict) and value.keys() == {"error"}:
        return {"error": words(value["error"])}
    return {"json": typed_outputs(value)}


def words(error):
    """An error's text without the blanks that end some of Triton's."""
    return error.rstrip() if isinstance(error, str) else error


def describe_binary(body, header_length):
    head, tail = body[:header_length], body[header_length:]
    value = json.loads(head)
    tensors = []
    for output in value.get("outputs", []):
        size = output.get("parameters", {}).get("binary_data_size")
        if size is not None:
            tensors.append(describe_tensor(output["datatype"], tail[:size]))
            tail = tail[size:]
    described = {"json": typed_outputs(value), "binary": tensors}
    if tail:
        described["left_over_bytes"] = len(tail)
    return described
