"""A Dask cluster for each run, on a cluster: made by dask-kubernetes' operator, which has to be there, and gone after.

The operator is a release of its own (helm/releases.yaml). Without Helm's repositories, its definitions and its
controller are in the Python package: `kubectl create` of ``dask_kubernetes/operator/deployment/helm/*/crds``, then
``kopf run --module dask_kubernetes.operator.controller.controller --all-namespaces`` with the KUBECONFIG.
"""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from flows.cluster_manifest import RUN_LABEL, manifest_of
from sluice.dask_settings import RunClusterSettings
from tests.cluster.kubectl import Object, until
from tests.cluster.option import with_option
from tests.cluster.platform import READY_SECONDS, RUN_SECONDS, USE_CASE, Platform
from tests.cluster.test_release import LONG_SEARCH, STAGES
from tests.helm.chart import RELEASE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]
KIND = "daskclusters.kubernetes.dask.org"
PER_RUN = {"dask": {"perRun": {"enabled": True}}}
GONE_SECONDS = 180


def is_known(kind: str) -> bool:
    command = ["kubectl", "get", "crd", kind]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


@pytest.fixture(scope="module")
def per_run(platform: Platform) -> Iterator[Platform]:
    """The release with the option."""
    if not is_known(KIND):
        pytest.skip(f"this cluster has no {KIND}: install dask-kubernetes-operator (helm/releases.yaml)")
    with with_option(platform, PER_RUN) as made:
        yield made


def clusters(platform: Platform) -> list[Object]:
    return platform.kubectl.items(KIND, instance=RELEASE)


def workers(platform: Platform) -> Counter[str]:
    """How many workers run, by their cluster."""
    pods = [pod for pod in platform.kubectl.pods("dask-worker") if pod["status"]["phase"] == "Running"]
    return Counter(pod["metadata"]["labels"]["dask.org/cluster-name"] for pod in pods)


def state(platform: Platform) -> str:
    return f"{platform.kubectl('get', KIND, '--output=yaml')[-4000:]}\n{platform.state()}"


def nothing_is_left(platform: Platform) -> None:
    def gone() -> bool:
        pods = [pod for name in ("dask-scheduler", "dask-worker") for pod in platform.kubectl.pods(name)]
        return not clusters(platform) and not pods

    until(gone, GONE_SECONDS, lambda: state(platform))


def of_run(platform: Platform, run: str) -> Object:
    """The cluster of a run, once a worker of it runs."""

    def found() -> Object | None:
        mine = [one for one in clusters(platform) if one["metadata"]["labels"][RUN_LABEL] == run]
        return mine[0] if mine and workers(platform)[mine[0]["metadata"]["name"]] else None

    return until(found, READY_SECONDS, lambda: f"{platform.read(run)}\n{state(platform)}", poll=1)


def test_no_cluster_is_there_without_a_run(per_run: Platform) -> None:
    """The shared one has gone, and nothing waits in its place."""
    assert not [name for name in per_run.kubectl.names("deployments", instance=RELEASE) if "dask" in name]
    nothing_is_left(per_run)


def test_each_stage_has_a_cluster_while_it_is_on(per_run: Platform) -> None:
    """Four of them one after the other, each with the workers that the use case asks for; the pipeline completes."""
    run = per_run.start(f"pipeline/{USE_CASE}", {"fresh": True})
    seen: dict[str, Object] = {}
    most: Counter[str] = Counter()
    deadline = time.monotonic() + RUN_SECONDS
    while (now := per_run.read(run)) is None or not now.final:
        assert time.monotonic() < deadline, state(per_run)
        seen |= {one["metadata"]["name"]: one for one in clusters(per_run)}
        most |= workers(per_run)  # the larger number of each
        time.sleep(1)
    assert now.completed, per_run.log(run)
    with per_run.prefect() as prefect:
        stages = {child.id for child in prefect.children(run)}
    assert len(stages) == len(STAGES)
    assert {one["metadata"]["labels"][RUN_LABEL] for one in seen.values()} == stages
    assert {one["spec"]["worker"]["replicas"] for one in seen.values()} == {2}
    assert most == dict.fromkeys(seen, 2)
    nothing_is_left(per_run)


def test_the_service_says_where_the_workers_are(per_run: Platform) -> None:
    """It has none to tell of, and nothing is wrong."""
    headers = {"Authorization": f"Bearer {per_run.secret('secrets', 'serving-bootstrap-key')}"}
    with per_run.kubectl.forward(f"service/{RELEASE}-serving", 8000) as address:
        told = httpx.get(f"{address}/workers", headers=headers, timeout=30, trust_env=False).json()
    assert told["problems"] == []
    assert "a Dask cluster of its own" in told["note"]
    assert USE_CASE in per_run.predict()


def test_a_killed_runs_cluster_goes_with_its_pod(per_run: Platform) -> None:
    """Nobody is left to remove it: its pod owned it."""
    run = per_run.start(f"train/{USE_CASE}", {"params": LONG_SEARCH})
    cluster = of_run(per_run, run)
    name, (owner,) = cluster["metadata"]["name"], cluster["metadata"]["ownerReferences"]
    per_run.kubectl("delete", "pod", owner["name"], "--grace-period=0", "--force")
    # Before a janitor would come: it waits for a minute after a run's end.
    until(lambda: name not in _names(per_run), 60, lambda: state(per_run))
    per_run.end(run)
    nothing_is_left(per_run)


def test_the_janitor_removes_what_a_run_left(per_run: Platform, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A cluster without an owner: of a run that is over. One of a run that is on stays."""
    with per_run.prefect() as prefect:
        query = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}, "sort": "END_TIME_DESC"}
        over = list(prefect.every("/flow_runs/filter", query))[-1]["id"]
    left = made_by_hand(per_run, over, tmp_path_factory)
    busy = per_run.start(f"train/{USE_CASE}", {"params": LONG_SEARCH})
    theirs = of_run(per_run, busy)["metadata"]["name"]
    job = f"janitor-{uuid4().hex[:6]}"
    per_run.kubectl("create", "job", job, f"--from=cronjob/{RELEASE}-dask-janitor")
    until(lambda: per_run.kubectl.one("job", job)["status"].get("succeeded"), READY_SECONDS, per_run.state)
    said = per_run.kubectl("logs", f"job/{job}")
    per_run.kubectl("delete", "job", job)
    until(lambda: left not in _names(per_run), GONE_SECONDS, lambda: state(per_run))
    assert f"Removed the Dask cluster {left}" in said
    assert theirs not in said
    assert per_run.end(busy).completed
    nothing_is_left(per_run)


def _names(platform: Platform) -> set[str]:
    return {one["metadata"]["name"] for one in clusters(platform)}


def made_by_hand(platform: Platform, run: str, folders: pytest.TempPathFactory) -> str:
    path = folders.mktemp("left") / "cluster.yaml"
    path.write_text(platform.kubectl.one("configmap", f"{RELEASE}-dask-cluster")["data"]["cluster.yaml"])
    manifest = manifest_of(RunClusterSettings(spec=path), run, 1)
    platform.kubectl("create", "--filename=-", given=json.dumps(manifest))
    return str(manifest["metadata"]["name"])
