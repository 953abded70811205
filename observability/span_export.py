"""Spans to a collector, through OpenTelemetry's SDK: without secrets, in batches, and never in anybody's way.

Imported only where the settings name a collector: the SDK takes a quarter of a second.
"""

from collections.abc import Mapping, Sequence
from threading import Thread
from typing import Any

from loguru import logger
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanContext, Status

from observability.otlp_json import OtlpSender, encoded
from observability.redaction import Redactor
from observability.request_span import RequestSpan
from sluice.settings import Settings, without_credentials

# Of one try to send a batch, its repetitions included; it waits in a thread, and what comes meanwhile is queued.
TIMEOUT_SECONDS = 5.0
BATCH_SECONDS = 1.0
MOST_WAITING = 4096


class RedactingExporter(SpanExporter):
    """Takes secrets out of names, attributes, events and states, and tells of an outage once."""

    def __init__(self, sender: OtlpSender, redactor: Redactor, shown: str) -> None:
        self._sender, self._redactor, self._shown = sender, redactor, shown
        self._away = False
        self._lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        body = encoded(spans)
        # Seldom there is one, and to look at each value of each span takes longer than to encode it.
        if self._redactor.finds_in_json(body.decode()):
            body = encoded([self._redacted(span) for span in spans])
        if self._sender.send(body):
            if self._away:
                logger.warning("The collector at {} takes spans again; {} were lost.", self._shown, self._lost)
            self._away, self._lost = False, 0
            return SpanExportResult.SUCCESS
        self._lost += len(spans)
        if not self._away:
            logger.warning("The collector at {} takes no spans; they are lost meanwhile.", self._shown)
        self._away = True
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self._sender.close()

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
        sender = OtlpSender(settings.traces.endpoint, TIMEOUT_SECONDS)
        redacting = RedactingExporter(sender, Redactor(settings), without_credentials(settings.traces.otlp_url))
        self._processor = BatchSpanProcessor(
            redacting, max_queue_size=MOST_WAITING, schedule_delay_millis=1000 * BATCH_SECONDS
        )
        self._resource = Resource.create(
            {
                "service.name": service,
                "service.version": version,
                "service.namespace": "sluice",
                "deployment.environment.name": settings.env,
            }
        )
        self.provider = TracerProvider(sampler=ParentBased(ALWAYS_ON), resource=self._resource, shutdown_on_exit=False)
        self.provider.add_span_processor(self._processor)

    def of_request(
        self, name: str, ids: SpanContext, parent: SpanContext | None, attributes: Mapping[str, Any]
    ) -> RequestSpan:
        """A recorded span; whoever calls has decided that it is sampled."""
        return RequestSpan(name, ids, parent, attributes, self._resource, self._processor.on_end)

    def flush(self) -> None:
        """Send what waits, however long that takes."""
        self.provider.force_flush()

    def close(self, seconds: float) -> None:
        """Send what waits, for so long at most: the SDK's own bound is 30 seconds, and none for one request."""
        closing = Thread(target=self.provider.shutdown, name="spans", daemon=True)
        closing.start()
        closing.join(seconds)
