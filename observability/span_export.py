"""Spans to a collector, through OpenTelemetry's SDK: without secrets, in batches, and never in anybody's way.

Imported only where the settings name a collector: the SDK takes a quarter of a second.
"""

from collections.abc import Sequence
from threading import Thread
from typing import Any

from loguru import logger
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Status

from observability.redaction import Redactor
from sluice.settings import Settings, without_credentials

# Of one try to send a batch, its repetitions included; it waits in a thread, and what comes meanwhile is queued.
TIMEOUT_SECONDS = 5.0
BATCH_SECONDS = 1.0
MOST_WAITING = 4096


class RedactingExporter(SpanExporter):
    """Takes secrets out of names, attributes, events and states, and tells of an outage once."""

    def __init__(self, into: SpanExporter, redactor: Redactor, shown: str) -> None:
        self._into, self._redactor, self._shown = into, redactor, shown
        self._away = False
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._into.export([self._redacted(span) for span in spans])
        if result is SpanExportResult.SUCCESS:
            if self._away:
                logger.warning("The collector at {} takes spans again; {} were lost.", self._shown, self._lost)
            self._away, self._lost = False, 0
        else:
            self._lost += len(spans)
            if not self._away:
                logger.warning("The collector at {} takes no spans; they are lost meanwhile.", self._shown)
            self._away = True
        return result

    def shutdown(self) -> None:
        self._into.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True  # nothing waits here

    def _redacted(self, span: ReadableSpan) -> ReadableSpan:
        text = self._redactor.text
        events = [Event(text(one.name), self._values(one.attributes), one.timestamp) for one in span.events]
        said = span.status.description
        return ReadableSpan(
            name=text(span.name),
            context=span.get_span_context(),
            parent=span.parent,
            resource=span.resource,
            attributes=self._values(span.attributes),
            events=events,
            links=span.links,
            kind=span.kind,
            status=Status(span.status.status_code, text(said)) if said else span.status,
            start_time=span.start_time,
            end_time=span.end_time,
            instrumentation_scope=span.instrumentation_scope,
        )

    def _values(self, attributes: Any) -> dict[str, Any]:
        return {name: self._redactor.value(value) for name, value in (attributes or {}).items()}


class Spans:
    """The provider of a process that sends its spans. A root is sampled: whoever begins one seldom asks for less."""

    def __init__(self, settings: Settings, service: str, version: str) -> None:
        exporter = OTLPSpanExporter(
            endpoint=settings.traces.endpoint, timeout=TIMEOUT_SECONDS, compression=Compression.Gzip
        )
        redacting = RedactingExporter(exporter, Redactor(settings), without_credentials(settings.traces.otlp_url))
        self._processor = BatchSpanProcessor(
            redacting, max_queue_size=MOST_WAITING, schedule_delay_millis=1000 * BATCH_SECONDS
        )
        resource = Resource.create(
            {
                "service.name": service,
                "service.version": version,
                "service.namespace": "sluice",
                "deployment.environment.name": settings.env,
            }
        )
        self.provider = TracerProvider(sampler=ParentBased(ALWAYS_ON), resource=resource, shutdown_on_exit=False)
        self.provider.add_span_processor(self._processor)

    def flush(self) -> None:
        """Send what waits, however long that takes."""
        self.provider.force_flush()

    def close(self, seconds: float) -> None:
        """Send what waits, for so long at most: the SDK's own bound is 30 seconds, and none for one request."""
        closing = Thread(target=self.provider.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(seconds)
