"""Where people look further, for the texts of alerts: one series whose labels are addresses, from the settings."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Gauge

from sluice.settings import Settings, without_credentials

NAMES = ("prefect", "mlflow", "grafana", "runbooks")


def links(settings: Settings) -> dict[str, str]:
    """By name; empty where the settings have none."""
    found = {
        "prefect": settings.prefect.pages,
        "mlflow": settings.mlflow.ui or settings.mlflow.uri,
        "grafana": settings.observe.grafana_url,
        "runbooks": settings.observe.runbooks_url,
    }
    return {name: without_credentials(found[name]).rstrip("/") for name in NAMES}


def tell_links(found: Mapping[str, str], registry: CollectorRegistry) -> None:
    """``sluice_links_info``."""
    told = Gauge("sluice_links_info", "1; the labels are addresses for people.", NAMES, registry=registry)
    told.labels(*(found[name] for name in NAMES)).set(1)
