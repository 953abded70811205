"""The pages of a process that has no other HTTP server: `/metrics` for Prometheus, `/livez` for whoever restarts it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from observability.metrics import exposition

_TIMEOUT_SECONDS = 10  # of a client that says nothing


@contextmanager
def metrics_page(host: str, port: int, registry: CollectorRegistry, alive: Callable[[], bool]) -> Iterator[int]:
    """Serve the pages from threads during the block; gives the port, also where 0 let the system choose.

    Args:
        alive: whether the process does its work; `/livez` answers 503 while it does not.

    Raises:
        OSError: the address cannot be listened on.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _TIMEOUT_SECONDS

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/metrics":
                self._answer(HTTPStatus.OK, *exposition(registry, self.headers.get("accept", "")))
            elif path == "/livez":
                well = alive()
                status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, b"ok\n" if well else b"not at work\n", "text/plain; charset=utf-8")
            else:
                self._answer(HTTPStatus.NOT_FOUND, b"There is /metrics and /livez.\n", "text/plain; charset=utf-8")

        def _answer(self, status: HTTPStatus, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """A line for each scrape would be all that the log has."""

    with ThreadingHTTPServer((host, port), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(_TIMEOUT_SECONDS)
