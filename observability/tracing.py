"""Traces of a process: one provider, set once; and how a trace goes on to the next process (W3C Trace Context)."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, Tracer

from observability.ending import at_end
from observability.propagation import PropagatingProvider, below
from sluice.settings import Settings

if TYPE_CHECKING:
    from observability.span_export import Spans

# A later version may have more behind it, of which the first part means the same.
# https://www.w3.org/TR/trace-context/#versioning-of-traceparent
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_configured: list["Spans | None"] = []


def configure_tracing(settings: Settings, *, service: str) -> None:
    """Spans of this process go to the collector that the settings name; without one they only pass the trace on.

    The first call in a process counts.
    """
    if _configured:
        return
    if not settings.traces.endpoint:
        _configured.append(None)
        trace.set_tracer_provider(PropagatingProvider())
        return
    from observability.span_export import Spans

    spans = Spans(settings, service, sluice_version())
    _configured.append(spans)
    trace.set_tracer_provider(spans.provider)
    at_end(spans.close)


@cache  # the provider is set once; until then this is a tracer that will ask it
def tracer() -> Tracer:
    """For spans of ours."""
    return trace.get_tracer("sluice")


def request_span(name: str, parent: SpanContext | None, attributes: Mapping[str, str]) -> Span:
    """Of a request that this process answers, in the trace that came with it or at the beginning of one."""
    spans = _configured[0] if _configured else None
    ids = below(parent, None if spans is None else TraceFlags(TraceFlags.SAMPLED))
    if spans is None or not ids.trace_flags.sampled:
        return NonRecordingSpan(ids)
    return spans.of_request(name, ids, parent, attributes)


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | int | float) -> Iterator[Span]:
    """A span around the block, current in it; an attribute ``flow_run_id`` is named ``sluice.flow_run_id``."""
    named = {f"sluice.{key}": value for key, value in attributes.items()}
    with tracer().start_as_current_span(name, kind=kind, attributes=named) as made:
        yield made


def parsed(traceparent: str) -> SpanContext | None:
    """What a ``traceparent`` says; None where it is not one."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found[1] == "00" and found[5]):
        return None
    ids = SpanContext(int(found[2], 16), int(found[3], 16), is_remote=True, trace_flags=TraceFlags(int(found[4], 16)))
    return ids if ids.is_valid else None


def traceparent(of: SpanContext | None = None) -> str:
    """Of this span, or of the current one; empty where there is none."""
    ids = of or trace.get_current_span().get_span_context()
    if not ids.is_valid:
        return ""
    return f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"


def trace_id() -> str | None:
    """Of the current span, as 32 hexadecimal digits."""
    ids = trace.get_current_span().get_span_context()
    return f"{ids.trace_id:032x}" if ids.is_valid else None


@contextmanager
def continued(traceparent: str) -> Iterator[None]:
    """In this block the trace is the one that was passed here; nothing changes where it is empty or wrong."""
    ids = parsed(traceparent)
    if ids is None:
        yield
        return
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(ids)))
    try:
        yield
    finally:
        context.detach(token)


def sluice_version() -> str:
    try:
        return version("sluice")
    except PackageNotFoundError:
        return "unknown"
