"""A real web server on this machine whose pages a test writes."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Reply:
    """``length`` lies about the body's when it is given."""

    body: bytes | str = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None


@dataclass(frozen=True)
class Request:
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


Route = Callable[[Request], Reply] | Reply


class Website:
    """Routes by path, and the requests that came. What has no route is 404."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.routes: dict[str, Route] = {}
        self.requests: list[Request] = []

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def answer(self, request: Request) -> Reply:
        self.requests.append(request)
        route = self.routes.get(request.path, Reply("not here", 404))
        reply = route(request) if callable(route) else route
        etag = reply.headers.get("ETag")
        if etag is not None and request.headers.get("if-none-match") == etag:
            return Reply(status=304, headers={"ETag": etag})
        modified = reply.headers.get("Last-Modified")
        if modified is not None and request.headers.get("if-modified-since") == modified:
            return Reply(status=304)
        return reply


def in_turn(*replies: Reply) -> Callable[[Request], Reply]:
    """One after the other, and the last one for ever."""
    waiting = list(replies)
    return lambda request: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def website(host: str = "127.0.0.1") -> Iterator[Website]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = site.answer(Request(parts.path, dict(parse_qsl(parts.query)), headers))
            body = reply.body.encode() if isinstance(reply.body, str) else reply.body
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            length = len(body) if reply.length is None else reply.length
            if reply.status != 304:
                self.send_header("Content-Length", str(length))
            if length != len(body):
                self.send_header("Connection", "close")
                self.close_connection = True
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    site = Website(f"http://{host}:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
