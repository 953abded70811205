"""What the service measures about its models."""

from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from observability.deferred_histogram import DeferredHistogram, DeferredSeries
from serving.errors import CLIENT_CLOSED_REQUEST
from serving.request_counts import CODES, RequestCounts
from serving.served import LoadTimes, ServedModel

# From a compiled model's tens of microseconds to a model that should not be called online.
PREDICTION_BUCKETS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
VERSION = ("model", "model_version")
# Of an answer, whose unit and range are the model's own: shares in tenths, then wider each time.
VALUE_BUCKETS = (
    -1e4, -100.0, -10.0, -1.0, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0,
    1e3, 1e4, 1e5, 1e6,
)  # fmt: skip


class VersionMetrics(NamedTuple):
    """The series of one version, found once: finding them costs more than counting."""

    duration: DeferredSeries
    value: DeferredSeries
    fallbacks: Counter
    requests: dict[str, int]


class ServingMetrics:
    """Label values are names and versions that the registry knows, never what a client typed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.prediction_duration = DeferredHistogram(
            "sluice_prediction_duration_seconds",
            "Time the model took, without parsing, queueing and encoding.",
            VERSION,
            buckets=PREDICTION_BUCKETS,
            registry=registry,
        )
        self.prediction_failures = Counter(
            "sluice_prediction_failures_total",
            "Inputs the model raised on although they fit its signature.",
            VERSION,
            registry=registry,
        )
        self._values = DeferredHistogram(
            "sluice_prediction_value",
            "The model's answer for the first row of a request, where it is one number.",
            VERSION,
            buckets=VALUE_BUCKETS,
            registry=registry,
        )
        self._fallbacks = Counter(
            "sluice_recommendation_fallbacks",
            "Answers with popular items, to somebody whom the model does not know.",
            VERSION,
            registry=registry,
        )
        self._requests = RequestCounts(registry)
        self._names: set[str] = set()
        self._of: dict[tuple[str, str], VersionMetrics] = {}
        self._loaded = Gauge("sluice_model_loaded_info", "1 for the version that answers.", VERSION, registry=registry)
        self._refused = Gauge(
            "sluice_model_refused_info",
            "1 while the alias names a version that was refused.",
            VERSION,
            registry=registry,
        )
        self._load_failures = Counter(
            "sluice_model_load_failures_total",
            "Versions that failed to load or failed their input example.",
            ("model",),
            registry=registry,
        )
        self._loads = Histogram(
            "sluice_model_load_duration_seconds",
            "Time to load a version and let it predict its example.",
            ("model",),
            buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0),
            registry=registry,
        )
        self.registry_seen = Gauge(
            "sluice_registry_last_success_timestamp_seconds",
            "When the registry last answered this process.",
            registry=registry,
        )

    def known(self, model: str) -> None:
        """Make the model's counters exist at zero: `increase()` does not see a first sample."""
        self._names.add(model)
        self._load_failures.labels(model)
        self._requests.of(model, "")

    def of(self, served: ServedModel) -> VersionMetrics:
        """Those of a version, at zero if they are new."""
        found = self._of.get(served.key)
        if found is None:
            key = served.key
            found = self._of[key] = VersionMetrics(
                self.prediction_duration.labels(*key),
                self._values.labels(*key),
                self._fallbacks.labels(*key),
                self._requests.of(*key),
            )
        return found

    def answered(self, served: ServedModel, status: int) -> None:
        """Count a request; one whose client went away was answered by nobody."""
        if status != CLIENT_CLOSED_REQUEST:
            self.of(served).requests[CODES[status // 100]] += 1

    def unanswered(self, model: str, status: int) -> None:
        """Count a request for a model of which no version could be loaded, if there is such a model."""
        if model in self._names:  # else it is what a client typed, and the registry did not answer
            self._requests.of(model, "")[CODES[status // 100]] += 1

    def loaded(self, served: ServedModel, times: LoadTimes | None) -> None:
        """``times`` is None when the version answered under another name already."""
        labels = (served.name, served.version.version)
        self._loaded.labels(*labels).set(1)
        if times is not None:
            self._loads.labels(served.name).observe(times.load + times.warm)
        self.of(served)
        self.prediction_failures.labels(*labels)

    def unloaded(self, served: ServedModel) -> None:
        self._loaded.remove(served.name, served.version.version)

    def refused(self, model: str, version: str) -> None:
        self._load_failures.labels(model).inc()
        self._refused.labels(model, version).set(1)

    def forgiven(self, model: str, version: str) -> None:
        """The alias no longer names the refused version, or it loaded after all."""
        self._refused.remove(model, version)
