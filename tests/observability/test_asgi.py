"""Request metrics: which requests become which series."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from observability.asgi import HttpMiddleware

COUNT = "http_server_request_duration_seconds_count"


class Route:
    path_format = "/items/{item}"


def request(
    registry: CollectorRegistry,
    *,
    method: str = "GET",
    route: object = None,
    status: int | None = 200,
    fails: bool = False,
) -> None:
    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if route is not None:
            scope["route"] = route
        if status is not None:
            await send({"type": "http.response.start", "status": status, "headers": []})
        if fails:
            raise RuntimeError("the application dies")

    async def send(message: MutableMapping[str, Any]) -> None: ...

    async def receive() -> dict[str, Any]:
        return {}

    middleware = HttpMiddleware(app, registry)
    asyncio.run(middleware({"type": "http", "method": method, "path": "/items/17", "headers": []}, receive, send))


def count(registry: CollectorRegistry, method: str, route: str, status: str) -> float | None:
    labels = {"http_request_method": method, "http_route": route, "http_response_status_code": status}
    return registry.get_sample_value(COUNT, labels)


def test_route_is_the_template() -> None:
    """Requests for different items share the series of their route."""
    registry = CollectorRegistry()
    request(registry, route=Route())
    assert count(registry, "GET", "/items/{item}", "200") == 1


def test_what_a_client_invents_is_collapsed() -> None:
    """Paths without a route and made-up methods cannot make series."""
    registry = CollectorRegistry()
    request(registry, method="BREW", status=404)
    assert count(registry, "_OTHER", "unmatched", "404") == 1


def test_application_that_dies_before_its_answer_counts_as_500() -> None:
    """The server answers 500 then, and the error must be seen."""
    registry = CollectorRegistry()
    with pytest.raises(RuntimeError):
        request(registry, route=Route(), status=None, fails=True)
    assert count(registry, "GET", "/items/{item}", "500") == 1
    assert registry.get_sample_value("http_server_active_requests") == 0


def test_other_protocols_pass_untouched() -> None:
    """Start-up and web sockets are no requests."""
    seen = []

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    registry = CollectorRegistry()
    asyncio.run(HttpMiddleware(app, registry)({"type": "lifespan"}, None, None))  # type: ignore[arg-type]
    assert seen == ["lifespan"]
    assert COUNT not in [sample.name for metric in registry.collect() for sample in metric.samples]
