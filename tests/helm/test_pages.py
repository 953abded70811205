"""The pages that people open: each has a host that its service knows; Dask asks nobody who they are and has none."""

from typing import Any

import pytest

from tests.helm.chart import RELEASE, Release, render
from tests.helm.options import rendered

PAGES = {"serving", "prefect-server", "mlflow"}


def backends(release: Release) -> dict[str, tuple[str, Any]]:
    """By host: the service and its port."""
    found = {}
    for one in release.of("Ingress"):
        (rule,) = one["spec"]["rules"]
        service = rule["http"]["paths"][0]["backend"]["service"]
        found[rule["host"]] = (service["name"], service["port"]["name"])
    for one in release.of("HTTPRoute"):
        (host,), (backend,) = one["spec"]["hostnames"], one["spec"]["rules"][0]["backendRefs"]
        found[host] = (backend["name"], backend["port"])
    return found


def arguments(release: Release) -> dict[str, str]:
    """MLflow's options."""
    (container,) = release.one("Deployment", "mlflow")["spec"]["template"]["spec"]["containers"]
    return {name: value for name, _, value in (argument.partition("=") for argument in container["args"])}


@pytest.mark.parametrize("option", ["https", "gateway"])
def test_hosts_lead_to_the_pages(option: str) -> None:
    """One host each, to a port that its service has."""
    release = rendered("dev", option)
    assert {name for name, _ in backends(release).values()} == {f"{RELEASE}-{page}" for page in PAGES}
    for name, port in backends(release).values():
        (opened,) = release.one("Service", name.removeprefix(f"{RELEASE}-"))["spec"]["ports"]
        assert port in {opened["name"], opened["port"]}


def test_mlflow_knows_its_host_and_its_page() -> None:
    """It answers 403 to another Host, and refuses changes that come from a page of another origin."""
    options = arguments(rendered("dev", "https"))
    hosts = options["--allowed-hosts"].split(",")
    assert {"mlflow.sluice.localhost", "sluice-mlflow:5000", "$(POD_IP):5000", "localhost"} <= set(hosts)
    assert options["--cors-allowed-origins"] == "https://mlflow.sluice.localhost"
    options = arguments(rendered("dev", "gateway"))
    assert options["--cors-allowed-origins"] == "https://mlflow.sluice.localhost"
    assert "--cors-allowed-origins" not in arguments(rendered("default"))


def test_settings_know_the_pages() -> None:
    """Links of the console and of alerts lead where people's browsers do."""
    settings = rendered("dev").settings()
    assert settings["SLUICE_PREFECT__UI"] == "http://prefect.sluice.localhost"
    assert settings["SLUICE_MLFLOW__UI"] == "http://mlflow.sluice.localhost"
    assert "SLUICE_PREFECT__UI" not in rendered("default").settings()


def test_prefect_has_room_for_its_pages() -> None:
    """It copies them at its start; where it cannot write it goes on without, and its address answers 404."""
    (container,) = render().one("Deployment", "prefect-server")["spec"]["template"]["spec"]["containers"]
    (folder,) = [one["value"] for one in container["env"] if one["name"] == "PREFECT_SERVER_UI_STATIC_DIRECTORY"]
    mounted = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
    assert any(folder.startswith(f"{path}/") for path in mounted)


def test_a_host_can_be_left_out() -> None:
    """Then there is no way in for it."""
    release = render("dev", {"ingress": {"hosts": {"mlflow": ""}}})
    assert {name for name, _ in backends(release).values()} == {f"{RELEASE}-serving", f"{RELEASE}-prefect-server"}


def test_certificates_are_for_their_hosts() -> None:
    """TLS names the host of each rule."""
    for one in rendered("prod").of("Ingress"):
        assert one["spec"]["tls"][0]["hosts"] == [one["spec"]["rules"][0]["host"]]
