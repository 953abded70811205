"""How fresh the features are: the last version of each use case's table in the lake."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily

from observability.exported.use_cases import readable_configs
from sluice.lake import Lake
from sluice.settings import Settings


class FeatureSets:
    """The source ``features``."""

    name = "features"

    def __init__(self, settings: Settings) -> None:
        self._lake = Lake.from_settings(settings)
        self.seconds = settings.exporter.slow_seconds

    def look(self) -> list[Metric]:
        return list(self._families())

    def _families(self) -> Iterator[Metric]:
        latest = GaugeMetricFamily(
            "sluice_feature_latest_timestamp_seconds",
            "When the features table got its last version. Features that did not change get none.",
            labels=["feature_set"],
        )
        age = GaugeMetricFamily(
            "sluice_feature_max_age_seconds",
            "After which they count as stale (monitor.features_max_age).",
            labels=["feature_set"],
        )
        for name, config in readable_configs().items():
            newest = self._lake.newest(f"features/{name}")
            if newest is not None:
                latest.add_metric([name], newest.created_at.timestamp())
            if config.monitor.features_max_age is not None:
                age.add_metric([name], config.monitor.features_max_age)
        yield from (latest, age)
