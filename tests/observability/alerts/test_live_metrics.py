"""Rules name metrics that live processes of ours tell: a metric that is renamed makes this fail."""

import subprocess
import sys

import httpx
import pytest

from tests.observability.alerts import models
from tests.observability.alerts.conftest import Watched
from tests.observability.alerts.listeners import eventually
from tests.observability.rules import FILES, expressions, metrics, rules

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.waits]

# Told by what is not here, and why it is not.
ELSEWHERE = {
    "kube_": "kube-state-metrics tells them, of a cluster",
    "kubelet_": "a cluster's kubelet tells them",
}


def register(watched: Watched) -> None:
    command = [sys.executable, models.__file__, watched.stack.record.mlflow_uri]
    subprocess.run(command, env=dict(watched.stack.env), capture_output=True, check=True)


def live(watched: Watched) -> set[str]:
    """Every metric that a process tells or is about to: with a series, or with its description only."""
    address = watched.stack.record.prometheus_url
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as prometheus:
        found = set(prometheus.get("/api/v1/label/__name__/values").raise_for_status().json()["data"])
        for family in prometheus.get("/api/v1/targets/metadata").raise_for_status().json()["data"]:
            name, kind = family["metric"], family["type"]
            suffixes = {"counter": ("", "_total"), "histogram": ("_bucket", "_count", "_sum")}.get(kind, ("",))
            found |= {name + suffix for suffix in suffixes}
    return found


def test_every_rule_names_metrics_that_are_told(watched: Watched) -> None:
    """On a live scrape of the stack, but those of a cluster."""
    recorded = {rule["record"] for file in FILES for rule in rules(file) if "record" in rule}

    def unknown() -> dict[str, set[str]]:
        told = live(watched) | recorded
        missing = {name: metrics(expression) - told for name, expression in expressions().items()}
        return {
            name: names
            for name, found in missing.items()
            if (names := {metric for metric in found if not metric.startswith(tuple(ELSEWHERE))})
        }

    assert eventually(lambda: not unknown(), 60), unknown()


def test_what_is_elsewhere_is_still_named() -> None:
    """A reason stays only as long as a rule needs it."""
    named = set().union(*map(metrics, expressions().values()))
    for prefix in ELSEWHERE:
        assert any(metric.startswith(prefix) for metric in named)


def test_service_levels_have_data_after_traffic(watched: Watched) -> None:
    """Every recording rule has a series of the model that was asked."""
    register(watched)
    names = {(rule["record"], rule["labels"]["slo"]) for file in FILES for rule in rules(file) if "record" in rule}
    assert len(names) == 14
    address = f"{watched.stack.record.serving_url}/invocations?model=broken"

    def empty() -> set[tuple[str, str]]:
        httpx.post(address, json={"inputs": {"x": [1.0]}}, trust_env=False, timeout=60).raise_for_status()
        found = watched.query('{__name__=~"slo:sli_error:ratio_rate.+", model="broken"}')
        return names - {(each["metric"]["__name__"], each["metric"]["slo"]) for each in found}

    assert eventually(lambda: not empty(), 60), empty()


def test_every_rule_is_judged_without_an_error(watched: Watched) -> None:
    """Prometheus has them all, and none has failed or fails to render."""
    address = f"{watched.stack.record.prometheus_url}/api/v1/rules"
    groups = httpx.get(address, trust_env=False, timeout=60).raise_for_status().json()["data"]["groups"]
    judged = [rule for group in groups for rule in group["rules"]]
    assert len(judged) == sum(len(rules(file)) for file in FILES)
    assert not [rule["name"] for rule in judged if rule["health"] == "err"], judged
