"""What the flow ``monitor`` found last: drift, live quality, and what became of recommendations."""

from collections.abc import Iterator, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from observability.exported.use_cases import readable_configs
from sluice.documents import DocumentStore
from sluice.monitor_findings import Findings, FindingsStore


class Monitored:
    """The source ``monitor``."""

    name = "monitor"

    def __init__(self, documents: DocumentStore, seconds: float) -> None:
        self._documents = documents
        self.seconds = seconds

    def look(self) -> list[Metric]:
        """Raises:
        ServiceUnavailableError: the document store does not answer.
        """
        found = (FindingsStore(self._documents, name).latest() for name in sorted(readable_configs()))
        return list(families([findings for findings in found if findings is not None]))


def families(found: Sequence[Findings]) -> Iterator[Metric]:
    """Nothing of a model that was never monitored; what could not be compared has no series."""
    yield _gauge(
        "sluice_monitor_last_success_timestamp_seconds",
        "When the flow monitor last looked at the model.",
        ["model"],
        [((one.use_case,), one.at.timestamp()) for one in found],
    )
    yield _gauge(
        "sluice_drift_score",
        "Population stability index of a feature of the predictions against the training data; `prediction` is the "
        "model's answer. Those that drifted most.",
        ["model", "feature"],
        [((one.use_case, column.feature), column.score) for one in found for column in one.drift.features],
    )
    yield _gauge(
        "sluice_drift_threshold",
        "Above which a score is drift (monitor.drift_warn).",
        ["model"],
        [((one.use_case,), one.drift.threshold) for one in found],
    )
    yield _gauge(
        "sluice_drift_samples",
        "Predicted rows that the scores are of.",
        ["model"],
        [((one.use_case,), one.drift.samples) for one in found],
    )
    yield from _quality(found)
    yield from _uptake(found)


def _quality(found: Sequence[Findings]) -> Iterator[Metric]:
    of_alias = [(one.use_case, quality) for one in found for quality in one.quality]
    yield _gauge(
        "sluice_live_quality",
        "Measured on outcomes that feedback told of the version's predictions.",
        ["model", "alias", "metric"],
        [((name, one.alias, metric), value) for name, one in of_alias for metric, value in one.metrics.items()],
    )
    yield _gauge(
        "sluice_live_quality_samples",
        "Outcomes that feedback told of the version's predictions.",
        ["model", "alias"],
        [((name, one.alias), one.samples) for name, one in of_alias],
    )
    yield _gauge(
        "sluice_live_quality_floor",
        "What the champion must reach (monitor.live_quality).",
        ["model", "metric"],
        [((one.use_case, metric), floor) for one in found for metric, floor in one.floors.items()],
    )
    yield _gauge(
        "sluice_challenger_lead",
        "The challenger's live quality minus the champion's, turned so that above 0 it is better.",
        ["model", "metric"],
        [((one.use_case, metric), lead) for one in found for metric, lead in one.lead.items()],
    )


def _uptake(found: Sequence[Findings]) -> Iterator[Metric]:
    uptakes = [((one.use_case,), one.uptake) for one in found if one.uptake is not None]
    yield _gauge(
        "sluice_feedback_acceptance_ratio",
        "Share of the recommendations that feedback told of that were accepted.",
        ["model"],
        [(labels, one.acceptance) for labels, one in uptakes],
    )
    yield _gauge(
        "sluice_recommendation_revenue",
        "What a recommendation that feedback told of brought, in the unit of its value (monitor.outcome.value).",
        ["model"],
        [(labels, one.revenue) for labels, one in uptakes if one.revenue is not None],
    )


def _gauge(
    name: str, told: str, labels: Sequence[str], values: Sequence[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
