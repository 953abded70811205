"""Prometheus registries and their exposition. One registry a process, built by its composition root."""

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

# https://opentelemetry.io/docs/specs/semconv/http/http-metrics/ (http.server.request.duration)
HTTP_DURATION_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
)  # fmt: skip


def new_registry() -> CollectorRegistry:
    """A registry that already tells of the process itself: memory, CPU, garbage collection."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def exposition(registry: CollectorRegistry, accept: str = "") -> tuple[bytes, str]:
    """The metrics and their content type, in the format the scraper's ``Accept`` header asks for."""
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):
        # A version that is no number (version=x); answer as if none was given.
        encode, content_type = choose_encoder("")
    return encode(registry), content_type
