"""What a cluster gets beside the chart: pinned, with our own configurations, under the names that the chart uses."""

import re
from urllib.parse import urlsplit

import pytest
import yaml

from observability.alertmanager.configuration import alertmanager_configuration
from sluice.observe_settings import ObserveSettings
from tests.helm.chart import CHART, REPOSITORY
from tests.helm.upstream import FILE, releases, rendered, values_of

NAMES = (
    *("kube-prometheus-stack", "loki", "tempo", "alloy", "dask-kubernetes-operator"),
    *("metrics-server", "keda", "external-secrets"),
)
CHART_VALUES = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
PROVISIONED = REPOSITORY / "observability" / "grafana" / "provisioning" / "datasources"


def test_releases_are_those_that_the_documentation_names() -> None:
    """None is missing, and each comes from a repository that the file knows."""
    content = releases()
    assert tuple(one["name"] for one in content["releases"]) == NAMES
    known = {one["name"] for one in content["repositories"]}
    assert {one["chart"].split("/")[0] for one in content["releases"]} == known


def test_every_version_is_pinned() -> None:
    """One exact version each: a range would be another chart on the next day."""
    for one in releases()["releases"]:
        assert isinstance(one["version"], str)
        assert re.fullmatch(r"\d+\.\d+\.\d+", one["version"]), one["name"]


def test_environments_are_those_of_the_chart() -> None:
    """The same three names as helm/values-*.yaml."""
    environments, _ = yaml.safe_load_all(FILE.read_text(encoding="utf-8"))
    ours = {path.stem.removeprefix("values-") for path in FILE.parent.glob("values-*.yaml")}
    assert environments["environments"].keys() == ours


def test_what_is_needed_is_there() -> None:
    """An order that names a release that is gone would be refused by helmfile."""
    there = {f"{one['namespace']}/{one['name']}" for one in releases()["releases"]}
    assert {name for one in releases()["releases"] for name in one.get("needs", [])} <= there


def test_values_are_files_that_are_used() -> None:
    """Each file belongs to a release, and each can be read."""
    named = {path for one in releases()["releases"] for path in one["values"]}
    assert named == {f"releases/{path.name}" for path in (FILE.parent / "releases").iterdir()}
    assert all(values_of(name) for name in NAMES)


def test_prometheus_selects_what_the_chart_labels() -> None:
    """The operator takes monitors and rules with the name of its release; the sidecar takes ours by their label."""
    assert CHART_VALUES["monitoring"]["labels"] == {"release": "kube-prometheus-stack"}
    sidecar = values_of("kube-prometheus-stack")["grafana"]["sidecar"]["dashboards"]
    assert CHART_VALUES["monitoring"]["dashboardLabels"] == {sidecar["label"]: sidecar["labelValue"]}
    assert sidecar["searchNamespace"] == "ALL"
    for name in ("keda", "external-secrets"):
        assert "release: kube-prometheus-stack" in (FILE.parent / "releases" / f"{name}.yaml").read_text()


def test_network_policies_let_through_to_them() -> None:
    """Loki and the spans' receiver have the namespace and the ports that the chart's policies open."""
    policy = CHART_VALUES["networkPolicy"]["monitoring"]
    namespaces = {one["name"]: one["namespace"] for one in releases()["releases"]}
    for name in ("kube-prometheus-stack", "loki", "tempo", "alloy"):
        assert policy["namespaceLabels"]["kubernetes.io/metadata.name"] == namespaces[name]
    opened = {port["port"] for port in values_of("alloy")["alloy"]["extraPorts"]}
    assert set(policy["ports"]) == {3100, 4318}
    assert 4318 in opened


def test_addresses_are_services_of_the_same_file() -> None:
    """http://<release>.<namespace>.svc: what Grafana and Alloy ask is a release that stands here."""
    stack, alloy = values_of("kube-prometheus-stack"), values_of("alloy")
    asked = [one["url"] for one in stack["grafana"]["additionalDataSources"]]
    environment = {one["name"]: one.get("value") for one in alloy["alloy"]["extraEnv"]}
    asked += [environment["LOKI_URL"], f"http://{environment['TEMPO_URL']}"]
    there = {f"{one['name']}.{one['namespace']}.svc" for one in releases()["releases"]}
    assert {urlsplit(url).hostname for url in asked} <= there
    assert {urlsplit(url).port for url in asked} == {3100, 3200, 4317}


@pytest.mark.parametrize("uid", ["loki", "tempo"])
def test_data_sources_are_those_of_one_machine(uid: str) -> None:
    """Links from a line to its trace and back are the same, but for the address."""
    (path,) = PROVISIONED.iterdir()
    ours = {one["uid"]: one for one in yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]}
    sources = {one["uid"]: one for one in values_of("kube-prometheus-stack")["grafana"]["additionalDataSources"]}
    assert sources[uid] | {"url": ""} == ours[uid] | {"url": ""}


def test_alerts_are_told_as_on_one_machine() -> None:
    """Groups, intervals and what keeps quiet are those that the code gives Alertmanager."""
    wanted = alertmanager_configuration(ObserveSettings())
    del wanted["templates"]
    assert values_of("kube-prometheus-stack")["alertmanager"]["config"] == wanted


def test_loki_has_our_configuration() -> None:
    """observability/loki/loki.yaml itself, with the variables that its head names."""
    values = values_of("loki")
    text = (REPOSITORY / "observability" / "loki" / "loki.yaml").read_text(encoding="utf-8")
    assert values["loki"]["structuredConfig"] == yaml.safe_load(text)
    for name in (one["name"] for one in values["singleBinary"]["extraEnv"]):
        assert f"${{{name}:-" in text
    assert "-config.expand-env=true" in values["singleBinary"]["extraArgs"]


def test_tempo_has_our_configuration() -> None:
    """As above, for a chart that takes it as text."""
    values = values_of("tempo")
    text = (REPOSITORY / "observability" / "tempo" / "tempo.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(values["config"]) == yaml.safe_load(text)
    for name in (one["name"] for one in values["tempo"]["extraEnv"]):
        assert f"${{{name}:-" in text


def test_alloy_has_our_configuration() -> None:
    """Alloy's chart takes it for a template: what comes out of that is the file, braces and all."""
    content = values_of("alloy")["alloy"]["configMap"]["content"]
    text = (REPOSITORY / "observability" / "alloy" / "config.alloy").read_text(encoding="utf-8")
    assert "{{" in text
    assert rendered("{{ tpl .Values.content . }}", {"content": content}).strip() == text.strip()


def test_alloy_has_every_variable() -> None:
    """Each sys.env of the configuration is set, for an unset one is an empty label."""
    text = (REPOSITORY / "observability" / "alloy" / "config.alloy").read_text(encoding="utf-8")
    assert {one["name"] for one in values_of("alloy")["alloy"]["extraEnv"]} == set(
        re.findall(r'sys\.env\("(\w+)"', text)
    )


def test_what_depends_on_the_environment() -> None:
    """Lines name it, and production keeps them longer."""
    kept = {}
    for environment in ("dev", "prod"):
        (alloy,) = [
            one["value"] for one in values_of("alloy", environment)["alloy"]["extraEnv"] if one["name"] == "SLUICE_ENV"
        ]
        assert alloy == environment
        variables = values_of("loki", environment)["singleBinary"]["extraEnv"]
        kept[environment] = {one["name"]: one["value"] for one in variables}["LOKI_RETENTION"]
    assert kept == {"dev": "168h", "prod": "720h"}
