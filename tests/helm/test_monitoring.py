"""What a cluster's Prometheus and Grafana get: our rules and dashboards, and targets under the names that those use."""

import json
from typing import Any

import yaml

from deployments.local.record import StackRecord
from deployments.local.watching import _jobs
from observability.prometheus.rules import rule_files
from sluice.settings import Settings
from tests.helm.chart import REPOSITORY, Release, component, render
from tests.helm.options import rendered

# Of the machines and of Prometheus itself: a cluster's own stack has those.
_NOT_OURS = {"node", "prometheus", "alertmanager"}


def job_of(monitor: dict[str, Any]) -> str:
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    (job,) = [one["replacement"] for one in endpoint["relabelings"] if one["targetLabel"] == "job"]
    return str(job)


def watched() -> Release:
    return rendered("dev", "watched")


def test_jobs_have_the_names_of_the_local_ones() -> None:
    """Rules and dashboards select by these; under another name they would be silent."""
    settings = Settings()
    local = {job.name for job in _jobs(StackRecord.of(settings, root=REPOSITORY), settings)}
    assert {job_of(one) for one in watched().of("ServiceMonitor", "PodMonitor")} == local - _NOT_OURS


def test_monitors_select_ports_that_are_there() -> None:
    """By a service's port name, or by a container's."""
    release = watched()
    for one in release.of("ServiceMonitor"):
        selector, (endpoint,) = one["spec"]["selector"]["matchLabels"].items(), one["spec"]["endpoints"]
        (service,) = [s for s in release.of("Service") if selector <= s["metadata"]["labels"].items()]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    (pods,) = release.of("PodMonitor")
    worker = release.one("Deployment", "dask-worker")["spec"]["template"]
    assert pods["spec"]["selector"]["matchLabels"].items() <= worker["metadata"]["labels"].items()


def test_monitors_sign_in() -> None:
    """Prefect, MLflow and the service ask who it is; the account and the key come from Secrets."""
    endpoints = {component(one): one["spec"]["endpoints"][0] for one in watched().of("ServiceMonitor")}
    secret = watched().one("Secret", "secrets")["data"]
    for asked in ("prefect-server", "mlflow"):
        account = endpoints[asked]["basicAuth"]
        assert {account["username"]["key"], account["password"]["key"]} <= secret.keys()
    assert endpoints["serving"]["authorization"]["credentials"] == {"name": "prometheus", "key": "api-key"}


def test_rules_are_those_of_the_repository() -> None:
    """All of them, with the templates in their texts as Prometheus wants them."""
    groups = [group for one in watched().of("PrometheusRule") for group in one["spec"]["groups"]]
    ours = [group for path in rule_files() for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]]
    assert sorted(groups, key=lambda group: group["name"]) == sorted(ours, key=lambda group: group["name"])


def test_dashboards_are_those_of_the_repository() -> None:
    """Each is a ConfigMap of its own, with the label that Grafana's sidecar looks for."""
    found = {}
    for one in watched().of("ConfigMap"):
        if one["metadata"]["labels"].get("grafana_dashboard") == "1":
            found |= {name: json.loads(text) for name, text in one["data"].items()}
    folder = REPOSITORY / "observability" / "grafana" / "dashboards"
    assert found == {path.name: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}


def test_nothing_of_it_is_there_without_an_operator() -> None:
    """A cluster without these kinds would refuse the whole release."""
    plain = render("default", {"monitoring": {"enabled": False}})
    assert plain.of("ServiceMonitor", "PodMonitor", "PrometheusRule") == []
