"""Requests as the bytes that go onto the wire, made before anything is measured, and a file of them for wrk."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Body = Mapping[str, Any]


def raw_request(
    path: str, body: Body | None = None, headers: Mapping[str, str] | None = None, host: str = "127.0.0.1"
) -> bytes:
    """A POST with ``body`` as JSON, or a GET where there is none; the connection stays open."""
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", f"Host: {host}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def write_requests(requests: Iterable[bytes], file: Path) -> None:
    """Each with its length before it."""
    file.write_bytes(b"".join(b"%d\n%b" % (len(request), request) for request in requests))


def read_requests(file: Path) -> list[bytes]:
    content, requests, position = file.read_bytes(), [], 0
    while position < len(content):
        length, _, _ = content[position : position + 20].partition(b"\n")
        begin = position + len(length) + 1
        position = begin + int(length)
        requests.append(content[begin:position])
    return requests
