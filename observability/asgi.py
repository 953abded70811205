"""Request metrics as plain ASGI middleware, by OpenTelemetry's names."""

from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram

from observability.metrics import HTTP_DURATION_BUCKETS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# What a client types must not become a label: it could make as many series as it likes.
UNMATCHED = "unmatched"
OTHER_METHOD = "_OTHER"
METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


class HttpMetricsMiddleware:
    """Times each request until its last byte. Wrap it around everything else.

    Exposes ``http_server_request_duration_seconds{http_request_method, http_route,
    http_response_status_code}`` (seconds) and ``http_server_active_requests``.
    """

    def __init__(self, app: App, registry: CollectorRegistry) -> None:
        self._app = app
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=HTTP_DURATION_BUCKETS,
            registry=registry,
        )
        self._active = Gauge("http_server_active_requests", "HTTP server requests under way.", registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500  # what the server answers when the application dies before it answers

        async def noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = perf_counter()
        self._active.inc()
        try:
            await self._app(scope, receive, noting_status)
        finally:
            self._active.dec()
            self._duration.labels(_method(scope), _route(scope), str(status)).observe(perf_counter() - started)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in METHODS else OTHER_METHOD


def _route(scope: Scope) -> str:
    """The route's template, which the router leaves in the scope."""
    template = getattr(scope.get("route"), "path_format", None)
    return str(template) if template else UNMATCHED
