"""Which Dask clusters the janitor removes, and that it removes those alone."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from deployments.cluster.dask_clusters import ClusterOfRun
from deployments.cluster.janitor import clean, left_over
from deployments.cluster.sweep import sweep_clusters
from sluice.errors import ServiceUnavailableError
from sluice.runs import FlowRun, PrefectRuns
from tests.helm.kube_api import KubeApi, kube_api

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT = "/apis/kubernetes.dask.org/v1/namespaces/mlops/daskclusters"
ENDED = {"completed": "COMPLETED", "crashed": "CRASHED", "failed": "FAILED", "cancelled": "CANCELLED"}


def run(state: str, minutes: float | None = None) -> FlowRun:
    """One that ended so long ago; without minutes it has no end."""
    ended = None if minutes is None else NOW - timedelta(minutes=minutes)
    began = NOW - timedelta(hours=1)
    return FlowRun(
        id="r", name="tidy-otter", flow_id="f", state_type=state, state_name=state.capitalize(), created=began,
        expected_start_time=began, start_time=began, end_time=ended,
    )  # fmt: skip


def cluster(minutes: float = 60, run_id: str = "r", going: bool = False) -> ClusterOfRun:
    return ClusterOfRun("c", run_id, NOW - timedelta(minutes=minutes), going)


@pytest.mark.parametrize("state", ENDED.values())
def test_the_cluster_of_a_run_that_is_over_goes(state: str) -> None:
    """Whatever its end was; and it says which run, and how it ended."""
    ((found, reason),) = left_over([cluster()], {"r": run(state, minutes=2)}, NOW)
    assert found.name == "c"
    assert reason == f"the run tidy-otter is {state.capitalize()}"


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "SCHEDULED", "PAUSED", "CANCELLING"])
def test_the_cluster_of_a_run_under_way_stays(state: str) -> None:
    """Also of one that waits for another try: it may be making its cluster now."""
    assert left_over([cluster()], {"r": run(state)}, NOW) == []


def test_a_run_that_has_just_ended_removes_its_own() -> None:
    """It is about to."""
    assert left_over([cluster()], {"r": run("COMPLETED", minutes=0.5)}, NOW) == []


def test_a_cluster_that_goes_already_is_let_go() -> None:
    assert left_over([cluster(going=True)], {"r": run("CRASHED", minutes=9)}, NOW) == []


@pytest.mark.parametrize("run_id", ["r", ""])
def test_a_cluster_of_no_run_goes_when_it_is_old(run_id: str) -> None:
    """Prefect does not know the run, or the cluster has none. A young one is left: Prefect may be the one that errs."""
    known: dict[str, FlowRun | None] = {"r": None} if run_id else {}
    assert left_over([cluster(5, run_id)], known, NOW) == []
    assert len(left_over([cluster(20, run_id)], known, NOW)) == 1


def test_a_run_without_an_end_goes_by_its_clusters_age() -> None:
    """A run that was cancelled before it began has no end time."""
    assert len(left_over([cluster()], {"r": run("CANCELLED")}, NOW)) == 1


def prefect(states: dict[str, str]) -> PrefectRuns:
    """A server that knows these runs; they ended long ago if they are over."""

    def answer(request: httpx.Request) -> httpx.Response:
        run_id = request.url.path.rsplit("/", 1)[1]
        if run_id not in states:
            return httpx.Response(404)
        found = run(states[run_id], minutes=30 if states[run_id] in ENDED.values() else None)
        return httpx.Response(200, json=json.loads(found.model_copy(update={"id": run_id}).model_dump_json()))

    return PrefectRuns("http://prefect/api", httpx.MockTransport(answer))


def made(name: str, run_id: str, release: str = "sluice") -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": release, "app.kubernetes.io/component": "dask-cluster"}
    return {
        "apiVersion": "kubernetes.dask.org/v1",
        "kind": "DaskCluster",
        "metadata": {
            "name": name,
            "labels": {**labels, "sluice-flow-run": run_id},
            "creationTimestamp": "2026-11-22T11:00:00Z",
        },
    }


@pytest.fixture
def objects() -> dict[str, dict[str, Any]]:
    clusters = [made("done", "a"), made("busy", "b"), made("lost", "c"), made("other", "a", release="other")]
    theirs = {**made("theirs", "a"), "metadata": {"name": "theirs", "labels": {"dask.org/cluster-name": "theirs"}}}
    return {f"{AT}/{one['metadata']['name']}": one for one in [*clusters, theirs]}


async def at(kubeconfig: str, act: Any) -> list[str]:
    from kubernetes_asyncio.config import new_client_from_config_dict

    client: Any = await new_client_from_config_dict(json.loads(kubeconfig))
    async with client:
        found: list[str] = await act(client)
    return found


def left(api: KubeApi) -> list[str]:
    return sorted(path.rsplit("/", 1)[1] for path in api.objects)


def test_only_what_the_release_left_is_removed(objects: dict[str, Any]) -> None:
    """Clusters under way stay, and so do those of another release and of people."""
    with kube_api() as (api, kubeconfig), prefect({"a": "CRASHED", "b": "RUNNING"}) as runs:
        api.objects = objects
        removed = asyncio.run(at(kubeconfig, lambda client: clean(client, runs, "mlops", "sluice", NOW)))
        assert removed == ["done", "lost"]
        assert left(api) == ["busy", "other", "theirs"]


def test_nothing_is_removed_while_prefect_is_away(objects: dict[str, Any]) -> None:
    """A run that nobody can be asked about may be under way."""
    away = PrefectRuns("http://prefect/api", httpx.MockTransport(lambda _: httpx.Response(500)))
    with kube_api() as (api, kubeconfig), away:
        api.objects = objects
        with pytest.raises(ServiceUnavailableError):
            asyncio.run(at(kubeconfig, lambda client: clean(client, away, "mlops", "sluice", NOW)))
        assert len(left(api)) == 5


def test_an_uninstall_removes_all_of_the_releases() -> None:
    """Whatever became of their runs: Prefect is gone by then."""
    clusters = [made("busy", "b"), made("other", "a", release="other")]
    with kube_api() as (api, kubeconfig):
        api.objects = {f"{AT}/{one['metadata']['name']}": one for one in clusters}
        assert asyncio.run(at(kubeconfig, lambda client: sweep_clusters(client, "mlops", "sluice"))) == ["busy"]
        assert left(api) == ["other"]


def test_an_uninstalled_operator_has_left_no_clusters() -> None:
    """Its definitions are gone, and the clusters with them."""
    with kube_api() as (api, kubeconfig):
        api.refused["GET", "daskclusters"] = (404, "404 page not found")
        assert asyncio.run(at(kubeconfig, lambda client: sweep_clusters(client, "mlops", "sluice"))) == []
