"""Request metrics and traces as plain ASGI middleware, by OpenTelemetry's names."""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from random import random
from time import perf_counter
from typing import Any, TypeVar

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanContext, Status, StatusCode
from prometheus_client import CollectorRegistry, Gauge

from observability.deferred_histogram import DeferredHistogram, DeferredSeries
from observability.metrics import HTTP_DURATION_BUCKETS
from observability.tracing import parsed, request_span, trace_id, traceparent

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
R = TypeVar("R")
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# What a client types must not become a label: it could make as many series as it likes.
UNMATCHED = "unmatched"
OTHER_METHOD = "_OTHER"
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
# A trace that begins with one of these goes on in a run, which is traced in any case.
_STARTS_RUN = ("POST", "/runs")
_TRACEPARENT = b"traceparent"
_SERVER_ERROR = 500


class HttpMiddleware:
    """Times each request until its last byte, and follows its trace. Wrap it around everything else.

    Exposes ``http_server_request_duration_seconds{http_request_method, http_route,
    http_response_status_code}`` (seconds), with the trace of sampled requests as exemplars, and
    ``http_server_active_requests``.

    A request that comes with a ``traceparent`` is part of that trace; its answer names its own span in the same
    header, ``scope["trace_id"]`` is the trace's id, and the span is current while it is answered. A share of the
    others begins a trace. The rest pays for one look through its headers.

    Args:
        sample: the share of requests that begin a trace; 0 where spans are sent nowhere.
        probes: paths whose requests begin none; they come every few seconds, and tell nobody anything.
    """

    def __init__(
        self, app: App, registry: CollectorRegistry, sample: float = 0.0, probes: Collection[str] = ()
    ) -> None:
        self._app = app
        self._sample = sample
        self._probes = probes
        self._duration = DeferredHistogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=HTTP_DURATION_BUCKETS,
            registry=registry,
        )
        self._known: dict[tuple[str, str, int], DeferredSeries] = {}
        self._under_way = 0
        active = Gauge("http_server_active_requests", "HTTP server requests under way.", registry=registry)
        active.set_function(lambda: self._under_way)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        given = b""
        for name, value in scope["headers"]:
            if name == _TRACEPARENT:
                given = value
        sampled = self._sample and random() < self._sample and scope["path"] not in self._probes
        if given or sampled or (scope["method"], scope["path"]) == _STARTS_RUN:
            await self._traced(scope, receive, send, parsed(given.decode("latin-1")), started)
            return
        status = _SERVER_ERROR  # what the server answers when the application dies before it answers

        def noting_status(message: Message) -> Awaitable[None]:  # no coroutine of its own, which would cost more
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        self._under_way += 1
        try:
            await self._app(scope, receive, noting_status)
        finally:
            self._under_way -= 1
            self._series(scope["method"], _route(scope), status).observe(perf_counter() - started)

    async def _traced(
        self, scope: Scope, receive: Receive, send: Send, parent: SpanContext | None, started: float
    ) -> None:
        status = _SERVER_ERROR
        # Renamed at its end, when the route is known. https://opentelemetry.io/docs/specs/semconv/http/http-spans/
        method, asked = _method(scope["method"]), {"url.path": scope["path"], "url.scheme": scope.get("scheme", "http")}
        span = request_span(method, parent, {"http.request.method": method, **asked})
        ids = span.get_span_context()
        scope["trace_id"] = f"{ids.trace_id:032x}" if ids.is_valid else ""
        header = (_TRACEPARENT, traceparent(ids).encode())

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if header[1]:
                    message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        self._under_way += 1
        token = context.attach(trace.set_span_in_context(span))
        try:
            await self._app(scope, receive, noting_status)
        except BaseException as error:
            span.record_exception(error)
            raise
        finally:
            context.detach(token)
            self._under_way -= 1
            route = _route(scope)
            example = {"trace_id": scope["trace_id"], "span_id": f"{ids.span_id:016x}"}
            self._series(scope["method"], route, status).observe(
                perf_counter() - started, example if ids.trace_flags.sampled else None
            )
            _end(span, scope, route, status)

    def _series(self, method: str, route: str, status: int) -> DeferredSeries:
        """The labels are few, and finding them costs as much as observing."""
        known = self._known.get((method, route, status))
        if known is None:
            method = _method(method)
            known = self._known[method, route, status] = self._duration.labels(method, route, str(status))
        return known


def _end(span: Span, scope: Scope, route: str, status: int) -> None:
    if span.is_recording():
        span.update_name(f"{_method(scope['method'])} {route}")
        span.set_attributes({"http.route": route, "http.response.status_code": status})
        if status >= _SERVER_ERROR:
            span.set_status(Status(StatusCode.ERROR))
    span.end()


def in_trace(work: Callable[[], R]) -> Callable[[], R]:
    """For another thread: the work in the current trace; itself where there is none."""
    if trace_id() is None:
        return work
    here = context.get_current()

    def run() -> R:
        token = context.attach(here)
        try:
            return work()
        finally:
            context.detach(token)

    return run


def _method(given: str) -> str:
    return given if given in METHODS else OTHER_METHOD


def _route(scope: Scope) -> str:
    """The route's template, which the router leaves in the scope."""
    return getattr(scope.get("route"), "path_format", "") or UNMATCHED
