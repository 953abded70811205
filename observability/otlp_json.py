"""Spans as OTLP's JSON, posted to a collector. https://opentelemetry.io/docs/specs/otlp/#otlphttp

The library's exporter writes protocol buffers, with a Python object for each attribute, which takes several times as
long. Collectors take both at the same address.
"""

import gzip
import os
import random
import ssl
import threading
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from time import monotonic
from typing import Any

import httpx
import orjson
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, Status
from opentelemetry.util.re import parse_env_headers

_FIRST_PAUSE = 0.2
_TRY_AGAIN = frozenset({429, 502, 503, 504})
# As every OpenTelemetry exporter does, for collectors that ask who sends.
_HEADERS = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
# Whom to believe that it is the collector: a company's own authority, as a file of PEM.
_CERTIFICATES = ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE")


class OtlpSender:
    """Posts what `encoded` made, for so many seconds at most with its repetitions."""

    def __init__(self, endpoint: str, seconds: float) -> None:
        self._endpoint, self._seconds = endpoint, seconds
        self._closed = threading.Event()
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        for name in _HEADERS:
            headers |= parse_env_headers(os.environ.get(name, ""), liberal=True)
        # Not from the environment: a proxy that is meant for the outside would get the spans.
        self._http = httpx.Client(timeout=seconds, trust_env=False, headers=headers, verify=_trusted())

    def send(self, body: bytes) -> bool:
        """Whether the collector has it."""
        packed = gzip.compress(body, 1)
        deadline, pause = monotonic() + self._seconds, _FIRST_PAUSE
        while True:
            left = deadline - monotonic()
            try:
                answer = self._http.post(self._endpoint, content=packed, timeout=max(left, 0.1))
            except httpx.HTTPError:
                again = True
            else:
                if answer.is_success:
                    return True
                again = answer.status_code in _TRY_AGAIN
            pause *= 2
            wait = pause * random.uniform(0.8, 1.2)
            if not again or monotonic() + wait >= deadline or self._closed.wait(wait):
                return False

    def close(self) -> None:
        self._closed.set()
        self._http.close()


def _trusted() -> ssl.SSLContext | bool:
    file = next(filter(None, map(os.environ.get, _CERTIFICATES)), None)
    return ssl.create_default_context(cafile=file) if file else True


def encoded(spans: Sequence[ReadableSpan]) -> bytes:
    """Of one process: the resource is the first span's."""
    by_scope = [
        {"scope": {"name": scope.name, "version": scope.version or ""} if scope else {}, "spans": list(map(_span, of))}
        for scope, of in groupby(spans, key=lambda span: span.instrumentation_scope)
    ]
    resource = {"attributes": _attributes(spans[0].resource.attributes)}
    return orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": by_scope}]})


def _span(span: ReadableSpan) -> dict[str, Any]:
    kind = span.kind.value + 1  # the protocol has 0 for "unspecified"
    told: dict[str, Any] = {
        **(_ids(span.context) if span.context else {}),
        "name": span.name,
        "kind": kind,
        "startTimeUnixNano": str(span.start_time or 0),
        "endTimeUnixNano": str(span.end_time or 0),
        "attributes": _attributes(span.attributes),
        "status": _status(span.status),
    }
    if span.parent is not None:
        told["parentSpanId"] = f"{span.parent.span_id:016x}"
    if span.events:
        told["events"] = [
            {"timeUnixNano": str(one.timestamp), "name": one.name, "attributes": _attributes(one.attributes)}
            for one in span.events
        ]
    if span.links:
        told["links"] = [{**_ids(one.context), "attributes": _attributes(one.attributes)} for one in span.links]
    return told


def _ids(of: SpanContext) -> dict[str, Any]:
    # In this format they are hexadecimal digits, not the base64 of other bytes.
    ids: dict[str, Any] = {"traceId": f"{of.trace_id:032x}", "spanId": f"{of.span_id:016x}", "flags": of.trace_flags}
    if of.trace_state:
        ids["traceState"] = of.trace_state.to_header()
    return ids


def _status(status: Status) -> dict[str, Any]:
    code = {"code": status.status_code.value} if status.status_code.value else {}
    return {**code, "message": status.description} if status.description else code


def _attributes(attributes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in (attributes or {}).items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"stringValue": value}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case Mapping():
            return {"kvlistValue": {"values": _attributes(value)}}
        case Iterable() if not isinstance(value, bytes):
            return {"arrayValue": {"values": [_value(item) for item in value]}}
        case _:
            return {"stringValue": str(value)}
