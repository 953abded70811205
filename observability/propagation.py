"""Traces without a collector: every span has ids and passes them on, and nothing of it is kept.

OpenTelemetry's API alone passes on a trace that came in, but begins none; its SDK, which does, takes a quarter of a
second to import, which every run would pay.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import getrandbits
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_ID, NonRecordingSpan, Span, SpanContext, TraceFlags, Tracer, TracerProvider


class PropagatingTracer(Tracer):
    """Spans of the trace that is current, or of a new one, which is not sampled."""

    def start_span(self, name: str, context: Context | None = None, *_: Any, **__: Any) -> Span:
        return NonRecordingSpan(below(trace.get_current_span(context).get_span_context()))

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # a generator's context manager also decorates
        self, name: str, context: Context | None = None, *_: Any, **__: Any
    ) -> Iterator[Span]:
        with trace.use_span(self.start_span(name, context)) as span:
            yield span


class PropagatingProvider(TracerProvider):
    def get_tracer(self, *_: Any, **__: Any) -> Tracer:
        return _TRACER


def below(parent: SpanContext | None, flags: TraceFlags | None = None) -> SpanContext:
    """Ids of a new span: in the trace of its parent and with its flags, or in a new one, by default not sampled."""
    if parent is not None and parent.is_valid:
        return SpanContext(parent.trace_id, _random(64), False, parent.trace_flags, parent.trace_state)
    return SpanContext(_random(128), _random(64), False, flags)


def _random(bits: int) -> int:
    """Never zero, which means that there is none."""
    return getrandbits(bits) or INVALID_SPAN_ID + 1


_TRACER = PropagatingTracer()
