"""A release's life, by Helm itself against an API that keeps what it is given: installed, upgraded, uninstalled."""

import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.helm.chart import CHART, NAMESPACE, RELEASE, Object, environment
from tests.helm.kube_api import KubeApi, kube_api
from tests.helm.options import OPTIONS, rendered

# What Kubernetes refuses to change.
IMMUTABLE = {
    "Deployment": [("spec", "selector")],
    "StatefulSet": [("spec", "selector"), ("spec", "serviceName"), ("spec", "volumeClaimTemplates")],
    "PersistentVolumeClaim": [("spec", "accessModes"), ("spec", "storageClassName"), ("spec", "volumeName")],
    "RoleBinding": [("roleRef",)],
    "Service": [("spec", "clusterIP")],
    "Secret": [("type",)],
}


@pytest.fixture
def cluster() -> Iterator[tuple[KubeApi, helm_python.Config]]:
    with (
        kube_api() as (api, kubeconfig),
        # Without a limit on requests, which is for the sake of real clusters.
        helm_python.Config(
            kubeconfig_content=kubeconfig, namespace=NAMESPACE, storage_driver="memory", qps=1000, burst_limit=1000
        ) as config,
    ):
        yield api, config


def secrets(api: KubeApi) -> dict[str, dict[str, str]]:
    return {
        one["metadata"]["name"]: {key: b64decode(value).decode() for key, value in one["data"].items()}
        for one in api.of("Secret")
    }


def fixed(one: Object) -> list[Any]:
    """The parts of an object that can never be changed."""
    found = []
    for path in IMMUTABLE.get(one["kind"], []):
        value: Any = one
        for part in path:
            value = value.get(part, {})
        found.append(value)
    return found


@pytest.mark.slow
def test_passwords_are_kept_over_upgrades(cluster: tuple[KubeApi, helm_python.Config], tmp_path: Path) -> None:
    """Made once; databases and callers that know them go on, also through another version of the chart."""
    api, helm = cluster
    helm.install(str(CHART), RELEASE, environment("dev"))
    before = secrets(api)
    newer = shutil.copytree(CHART, tmp_path / "sluice")
    described = yaml.safe_load((newer / "Chart.yaml").read_text())
    (newer / "Chart.yaml").write_text(yaml.safe_dump({**described, "version": "9.9.9", "appVersion": "9.9.9"}))
    parts = {path: fixed(one) for path, one in api.objects.items()}
    helm.upgrade(str(newer), RELEASE, {**environment("dev"), "logLevel": "DEBUG"})
    assert secrets(api) == before
    assert {path: fixed(one) for path, one in api.objects.items()} == parts
    helm.rollback(RELEASE, version=1)
    assert secrets(api) == before


@pytest.mark.slow
def test_passwords_fit_their_services(cluster: tuple[KubeApi, helm_python.Config]) -> None:
    """An address has the password of its database in it; what our settings demand of passwords is met."""
    from sluice.settings import Settings

    api, helm = cluster
    helm.install(str(CHART), RELEASE, {})
    made = secrets(api)
    platform, postgresql, mongodb = (made[f"{RELEASE}-{name}"] for name in ("secrets", "postgresql", "mongodb"))
    assert f":{postgresql['password']}@{RELEASE}-postgresql:5432/prefect" in postgresql["prefect-url"]
    assert f":{mongodb['password']}@{RELEASE}-mongodb:27017/sluice" in mongodb["uri"]
    assert platform["prefect-auth"] == f"{platform['prefect-username']}:{platform['prefect-password']}"
    Settings(
        prefect={"auth": platform["prefect-auth"]},  # type: ignore[arg-type]
        mlflow={"username": platform["mlflow-username"], "password": platform["mlflow-password"]},  # type: ignore[arg-type]
        serving={"bootstrap_key": platform["serving-bootstrap-key"]},  # type: ignore[arg-type]
    )
    values = [value for secret in made.values() for key, value in secret.items() if "password" in key]
    assert len(set(values)) == len(values), "one password opens two doors"


@pytest.mark.slow
def test_hook_runs_after_install_and_upgrade(cluster: tuple[KubeApi, helm_python.Config]) -> None:
    """The job that registers is made each time, after everything else, and is gone when it has succeeded."""
    api, helm = cluster
    job = f"/jobs/{RELEASE}-deploy"
    for act in (helm.install, helm.upgrade):
        api.calls.clear()
        act(str(CHART), RELEASE, {})
        made = [call for call in api.calls if call.startswith(("PATCH", "POST"))]
        assert made[-1].endswith(job)
        assert not any(path.endswith(job) for path in api.objects)


@pytest.mark.slow
@pytest.mark.parametrize("keep", [["data", "postgresql", "mongodb"], []])
def test_uninstall_leaves_what_is_to_be_kept(cluster: tuple[KubeApi, helm_python.Config], keep: list[str]) -> None:
    """The volumes that the values name, and the password of a database with its volume; nothing else."""
    api, helm = cluster
    helm.install(str(CHART), RELEASE, {"persistence": {"keep": keep}})
    helm.uninstall(RELEASE)
    left = {(one["kind"], one["metadata"]["name"]) for one in api.objects.values()}
    volumes = {("PersistentVolumeClaim", f"{RELEASE}-{name}") for name in keep}
    passwords = {("Secret", f"{RELEASE}-{name}") for name in keep if name != "data"}
    assert left == volumes | passwords


@pytest.mark.slow
def test_kept_volumes_are_taken_up_again(cluster: tuple[KubeApi, helm_python.Config]) -> None:
    """Installed again under the same name, databases open with the password of before."""
    api, helm = cluster
    helm.install(str(CHART), RELEASE, {})
    before = secrets(api)[f"{RELEASE}-postgresql"]
    helm.uninstall(RELEASE)
    helm.install(str(CHART), RELEASE, {})
    assert secrets(api)[f"{RELEASE}-postgresql"] == before


@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "named otherwise"])
def test_options_change_nothing_immutable(option: str) -> None:
    """Each can be switched on in a release that runs. Another fullname is another release's objects."""
    before = {(one["kind"], one["metadata"]["name"]): fixed(one) for one in rendered("dev").objects}
    after = {(one["kind"], one["metadata"]["name"]): fixed(one) for one in rendered("dev", option).objects}
    common = before.keys() & after.keys()
    assert {key: after[key] for key in common} == {key: before[key] for key in common}
