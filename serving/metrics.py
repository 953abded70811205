"""What the service measures about its models."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.served import LoadTimes

# From a compiled model's tens of microseconds to a model that should not be called online.
PREDICTION_BUCKETS = (
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
VERSION = ("model", "model_version")


class ServingMetrics:
    """Label values are names and versions that the registry knows, never what a client typed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.prediction_duration = Histogram(
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
        self._load_failures.labels(model)

    def swapped(self, model: str, version: str, previous: str | None, times: LoadTimes) -> None:
        if previous is not None:
            self._loaded.remove(model, previous)
        self._loaded.labels(model, version).set(1)
        self._loads.labels(model).observe(times.load + times.warm)
        self.prediction_duration.labels(model, version)
        self.prediction_failures.labels(model, version)

    def refused(self, model: str, version: str) -> None:
        self._load_failures.labels(model).inc()
        self._refused.labels(model, version).set(1)

    def forgiven(self, model: str, version: str) -> None:
        """The alias no longer names the refused version, or it loaded after all."""
        self._refused.remove(model, version)
