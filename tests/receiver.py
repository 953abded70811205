"""A real web server that takes what processes push: OTLP spans and Loki lines, decoded; it can refuse and hang."""

import gzip
import json
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class PushedSpan(NamedTuple):
    """``service`` is of the resource; ids in hexadecimal digits, ``parent`` empty at a root."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent: str
    attributes: dict[str, Any]
    span: Span


class PushedLine(NamedTuple):
    """``at`` in nanoseconds."""

    labels: dict[str, str]
    at: int
    text: str
    metadata: dict[str, str]


@dataclass
class Receiver:
    """What came. ``status`` is what it answers with; ``hangs`` keeps it from answering."""

    url: str
    status: list[int] = field(default_factory=lambda: [200])
    hangs: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    spans: list[PushedSpan] = field(default_factory=list)
    lines: list[PushedLine] = field(default_factory=list)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer; only what is answered with 2xx counts as taken."""
        if self.hangs.is_set():
            self.let_go.wait(60)
        status = self.status.pop(0) if len(self.status) > 1 else self.status[0]
        text = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.bodies.append(text)
        self.headers.append(headers)
        if status >= 300:
            return status
        if path.endswith("/v1/traces"):
            self.spans += _spans(_request(json.loads(text)))
        elif path == "/loki/api/v1/push":
            self.lines += _lines(json.loads(text))
        else:
            return 404
        return status

    def until(self, found: Callable[[], Any], seconds: float = 20.0) -> Any:
        """What ``found`` gives once it gives something."""
        deadline = time.monotonic() + seconds
        while not (result := found()):
            assert time.monotonic() < deadline, f"nothing came in {seconds} s"
            time.sleep(0.02)
        return result


@contextmanager
def receiver(certificate: Path | None = None) -> Iterator[Receiver]:
    """``certificate``: a file with a key and a certificate for 127.0.0.1; it then asks for TLS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = taken.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            try:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # whoever asked has gone

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    taken = Receiver(f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        taken.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _request(document: dict[str, Any]) -> ExportTraceServiceRequest:
    """By the protocol's own schema, as a collector reads it; whatever is not in that is an error.

    Ids are hexadecimal digits in OTLP's JSON, where protocol buffers have base64.
    """
    for of_resource in document["resourceSpans"]:
        for of_scope in of_resource["scopeSpans"]:
            for span in of_scope["spans"]:
                for one in (span, *span.get("links", ())):
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in one:
                            one[name] = b64encode(bytes.fromhex(one[name])).decode()
    return ParseDict(document, ExportTraceServiceRequest())


def _spans(request: ExportTraceServiceRequest) -> Iterator[PushedSpan]:
    for of_resource in request.resource_spans:
        resource = _values(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                yield PushedSpan(resource["service.name"], span.name, *ids, _values(span.attributes), span)


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}


def _lines(body: dict[str, Any]) -> Iterator[PushedLine]:
    for stream in body["streams"]:
        for at, text, metadata in stream["values"]:
            yield PushedLine(stream["stream"], int(at), text, metadata)
