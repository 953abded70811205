"""A request's trace: in, out, current meanwhile, and on the latency histogram."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from opentelemetry import trace
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from observability.asgi import HttpMiddleware, in_trace
from observability.metrics import exposition
from observability.tracing import trace_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED, UNSAMPLED = f"00-{TRACE}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331-00"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Asked:
    """One request through the middleware: what the application saw, and the answer's header."""

    def __init__(self, given: str = "", sample: float = 0.0, path: str = "/", method: str = "GET") -> None:
        self.registry = CollectorRegistry()
        self.seen: list[str | None] = []
        self.scope: MutableMapping[str, Any] = {
            "type": "http",
            "method": method,
            "path": path,
            "headers": [(b"host", b"here"), *([(b"traceparent", given.encode())] if given else [])],
        }
        self.answer = ""
        asyncio.run(HttpMiddleware(self._app, self.registry, sample, {"/livez"})(self.scope, self._receive, self._send))

    async def _app(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        self.seen.append(trace_id())
        self.seen.append(await asyncio.get_running_loop().run_in_executor(None, in_trace(trace_id)))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.answer = dict(message.get("headers", ())).get(b"traceparent", b"").decode()

    async def _receive(self) -> dict[str, Any]:
        return {}

    def exemplars(self) -> list[dict[str, str]]:
        text, _ = exposition(self.registry, OPENMETRICS)
        families = text_string_to_metric_families(text.decode())
        samples = [sample for family in families for sample in family.samples]
        return [dict(sample.exemplar.labels) for sample in samples if sample.exemplar]


def test_trace_that_came_goes_on_and_out() -> None:
    """In the application, in its threads and in the answer is the caller's trace, with a span of this service."""
    asked = Asked(SAMPLED)
    assert asked.seen == [TRACE, TRACE]
    assert asked.scope["trace_id"] == TRACE
    version, of, span, flags = asked.answer.split("-")
    assert (version, of, flags) == ("00", TRACE, "01")
    assert span != SAMPLED.split("-")[2]


def test_sampled_request_is_an_exemplar() -> None:
    """The trace and the span stand on the bucket that the request fell into; an unsampled one's do not."""
    asked = Asked(SAMPLED)
    assert asked.exemplars() == [{"trace_id": TRACE, "span_id": asked.answer.split("-")[2]}]
    assert Asked(UNSAMPLED).exemplars() == []
    assert Asked(UNSAMPLED).answer.startswith(f"00-{TRACE}-")


def test_request_without_a_trace_begins_none() -> None:
    """Unless it is sampled and no probe, or starts a run."""
    asked = Asked()
    assert (asked.seen, asked.answer, asked.exemplars()) == ([None, None], "", [])
    assert "trace_id" not in asked.scope
    assert len(Asked(sample=1.0).scope["trace_id"]) == 32
    assert "trace_id" not in Asked(sample=1.0, path="/livez").scope
    assert Asked(SAMPLED, path="/livez").scope["trace_id"] == TRACE
    assert len(Asked(method="POST", path="/runs").scope["trace_id"]) == 32


def test_nonsense_is_as_if_nothing_came() -> None:
    """A header that is no traceparent begins a trace of its own and breaks nothing."""
    asked = Asked("00-zz-\xff-01")
    assert asked.seen[0] not in (None, TRACE)
    assert asked.answer


def test_context_ends_with_the_request() -> None:
    """The next one does not inherit it."""
    Asked(SAMPLED)
    assert trace.get_current_span().get_span_context().is_valid is False
