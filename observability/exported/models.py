"""Each model's champion and challenger: how old, which version, how good it was when it was evaluated."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from observability.exported.registered import MlflowAliases, Registered
from observability.exported.use_cases import readable_configs
from sluice.settings import MlflowSettings
from sluice.use_case import UseCaseConfig

# Anybody may set any alias, and log any metric: labels must be few.
ALIASES = ("champion", "challenger")
_MOST_METRICS = 10


class Models:
    """The source ``mlflow``."""

    name = "mlflow"

    def __init__(self, settings: MlflowSettings, seconds: float) -> None:
        self._aliases = MlflowAliases(settings)
        self.seconds = seconds

    def look(self) -> list[Metric]:
        """Raises:
        ServiceUnavailableError: MLflow does not answer.
        """
        return list(families(self._aliases.read(), readable_configs()))


def families(found: Sequence[Registered], configs: Mapping[str, UseCaseConfig]) -> Iterator[Metric]:
    trained = GaugeMetricFamily(
        "sluice_model_trained_timestamp_seconds", "When the version was registered.", labels=("model", "alias")
    )
    version = GaugeMetricFamily("sluice_model_version", "The version's number.", labels=("model", "alias"))
    quality = GaugeMetricFamily(
        "sluice_model_quality",
        "What was measured of it on the hold-out: the metrics that the gate asks for.",
        labels=("model", "alias", "metric"),
    )
    age = GaugeMetricFamily(
        "sluice_model_max_age_seconds", "After which its champion counts as stale (monitor.max_age).", labels=["model"]
    )
    for one in found:
        if one.alias not in ALIASES:
            continue
        trained.add_metric((one.model, one.alias), one.trained.timestamp())
        version.add_metric((one.model, one.alias), float(one.version))
        for name in _told(one, configs.get(one.model)):
            quality.add_metric((one.model, one.alias, name), one.metrics[name])
    for name, config in configs.items():
        if config.monitor.max_age is not None:
            age.add_metric([name], config.monitor.max_age)
    yield from (trained, version, quality, age)


def _told(one: Registered, config: UseCaseConfig | None) -> list[str]:
    """The metrics with thresholds; of a model that no use case made, the first few."""
    if config is not None and config.promote_if:
        return [name for name in config.promote_if if name in one.metrics]
    return sorted(one.metrics)[:_MOST_METRICS]
