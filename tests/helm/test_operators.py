"""Options that other operators carry out: KEDA scales serving, External Secrets fills the Secrets."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from observability.asgi import HttpMiddleware
from tests.helm.chart import RELEASE, render
from tests.helm.options import OPTIONS, rendered


async def _answers_nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application to be measured."""


def test_keda_scales_what_the_own_autoscaler_would() -> None:
    """The same deployment between the same bounds, by CPU and by requests in flight; never both autoscalers."""
    release = rendered("dev", "scaled by keda")
    assert release.of("HorizontalPodAutoscaler") == []
    scaled = release.one("ScaledObject", "serving")["spec"]
    target = release.one("Deployment", "serving")
    assert scaled["scaleTargetRef"]["name"] == target["metadata"]["name"]
    assert "replicas" not in target["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (1, 10)
    assert [one["type"] for one in scaled["triggers"]] == ["cpu", "prometheus"]


def test_keda_asks_for_a_gauge_that_serving_has() -> None:
    """The metric's name is that of the service's page, its job that of the chart's ServiceMonitor."""
    registry = CollectorRegistry()
    HttpMiddleware(_answers_nothing, registry)
    (trigger,) = [
        one
        for one in rendered("dev", "scaled by keda").one("ScaledObject", "serving")["spec"]["triggers"]
        if one["type"] == "prometheus"
    ]
    metric, _, labels = trigger["metadata"]["query"].removeprefix("sum(").partition("{")
    assert metric in {one.name for one in registry.collect()}
    assert labels == 'job="sluice-serving",namespace="mlops"})'
    assert trigger["metadata"]["threshold"] == "20"


@pytest.mark.parametrize("engine", ["hpa", "keda"])
def test_how_long_it_is_quiet_before_a_pod_goes_is_a_value(engine: str) -> None:
    """Of serving by either engine, and of Dask's workers."""
    scaling = {"enabled": True, "scaleDownSeconds": 45}
    values = {"serving": {"autoscaling": {**scaling, "engine": engine}}, "dask": {"worker": {"autoscaling": scaling}}}
    release = render("dev", values)
    autoscalers = release.of("HorizontalPodAutoscaler")
    behaviors = [one["spec"]["behavior"] for one in autoscalers]
    for scaled in release.of("ScaledObject"):
        behaviors.append(scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"])
    assert behaviors == [{"scaleDown": {"stabilizationWindowSeconds": 45}}] * 2


def test_without_a_number_keda_goes_by_cpu_alone() -> None:
    """Nobody is asked for a metric that is not wanted."""
    values = {"serving": {"autoscaling": {"enabled": True, "engine": "keda"}}}
    (trigger,) = render("dev", values).one("ScaledObject", "serving")["spec"]["triggers"]
    assert trigger == {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "70"}}


@pytest.mark.parametrize("database", ["postgresql", "mongodb"])
def test_a_vault_fills_the_secrets(database: str) -> None:
    """One ExternalSecret for each that pods name, made from the entry that the values give; none is made here."""
    release = rendered("dev", "passwords of a vault")
    assert release.of("Secret") == []
    entries = OPTIONS["passwords of a vault"]["externalSecrets"]["entries"]
    for name, entry in (("secrets", entries["platform"]), (database, entries[database])):
        spec = release.one("ExternalSecret", name)["spec"]
        assert spec["target"]["name"] == f"{RELEASE}-{name}"
        assert spec["dataFrom"] == [{"extract": {"key": entry}}]
        assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "vault"}


def test_a_vault_leaves_databases_of_the_chart_alone() -> None:
    """A database that runs here has a password made here."""
    vault = {"enabled": True, "store": {"name": "vault"}, "entries": {"platform": "p", "postgresql": "q"}}
    release = render("dev", {"externalSecrets": vault})
    assert [one["metadata"]["name"] for one in release.of("ExternalSecret")] == [f"{RELEASE}-secrets"]
    assert {one["metadata"]["name"] for one in release.of("Secret")} == {f"{RELEASE}-postgresql", f"{RELEASE}-mongodb"}
