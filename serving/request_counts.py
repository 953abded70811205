"""How many requests for predictions there were: an addition each, where `prometheus_client.Counter` takes a lock."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily

# Classes of a status by its first digit.
CODES = {2: "2xx", 4: "4xx", 5: "5xx"}


class RequestCounts:
    """Counted by the event loop alone; a page of metrics may be made in another thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._of: dict[tuple[str, str], dict[str, int]] = {}
        registry.register(self)

    def of(self, model: str, version: str) -> dict[str, int]:
        """By class of status, new ones at zero."""
        return self._of.setdefault((model, version), dict.fromkeys(CODES.values(), 0))

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(
            "sluice_prediction_requests",
            "Requests for predictions of a model that there is, by the class of their status. The version is empty "
            "where none could be loaded.",
            labels=("model", "model_version", "code"),
        )
        for key, counts in list(self._of.items()):
            for code, count in counts.items():
                family.add_metric((*key, code), count)
        yield family
