"""A run's own Dask cluster, by KubeCluster itself against an API that keeps objects and an operator that is a fake."""

from collections.abc import Iterator
from pathlib import Path

import distributed
import pytest

from flows.run_cluster import RunCluster, RunClusterFailedError, run_cluster
from sluice.dask_settings import RunClusterSettings
from tests.fakes.dask_operator import FakeDaskOperator, fake_dask_operator
from tests.helm.kube_api import KubeApi, kube_api
from tests.helm.options import rendered

RUN = "0c5e2f7a-1f3c-4a51-9c1e-2d7c0a4b9f10"
World = tuple[KubeApi, FakeDaskOperator]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all: kr8s keeps its connections for each address."""
    path = tmp_path_factory.mktemp("kubernetes") / "kubeconfig"
    with kube_api() as (api, kubeconfig), fake_dask_operator(api) as operator, pytest.MonkeyPatch.context() as patch:
        path.write_text(kubeconfig)
        patch.setenv("KUBECONFIG", str(path))
        yield api, operator


@pytest.fixture
def world(running: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    api, operator = running
    monkeypatch.setattr(RunCluster, "operator_seconds", 2.0)
    api.calls.clear()
    yield api, operator
    api.refused.clear()
    operator.awake, operator.place = True, ""
    for path in [path for path in api.objects if "/daskclusters/" in path]:
        del api.objects[path]


@pytest.fixture
def settings(tmp_path: Path) -> RunClusterSettings:
    """As a run in a release of the chart has them."""
    path = tmp_path / "cluster.yaml"
    path.write_text(rendered("dev", "dask per run").one("ConfigMap", "dask-cluster")["data"]["cluster.yaml"])
    return RunClusterSettings(spec=path, start_seconds=90, pod_name="tidy-otter-x", pod_uid="u")


def test_a_cluster_is_there_for_its_block(world: World, settings: RunClusterSettings) -> None:
    """It has workers from its first moment, computes, and nothing of it is left."""
    api, operator = world
    with run_cluster(settings, RUN, workers=2) as cluster:
        assert cluster.scheduler_info["workers"]
        with distributed.Client(cluster, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=20)
            assert client.submit(sum, [1, 2]).result(timeout=20) == 3
        assert [one["metadata"]["name"] for one in api.of("DaskCluster")] == [cluster.name]
    assert api.of("DaskCluster") == []
    assert operator.seen[-1]["spec"]["worker"]["replicas"] == 2
    assert operator.seen[-1]["metadata"]["labels"]["sluice-flow-run"] == RUN


def test_it_asks_for_what_the_chart_allows(world: World, settings: RunClusterSettings) -> None:
    """Every request is one of the rights of a run's account; none of them is for nothing."""
    api, _ = world
    run_cluster(settings, RUN, workers=1).close()
    asked = {_right(call) for call in api.calls if "/namespaces/" in call}
    role = rendered("dev", "dask per run").one("Role", "flow-run")
    allowed = {(verb, kind) for rule in role["rules"] for kind in rule["resources"] for verb in rule["verbs"]}
    assert asked == allowed


def _right(call: str) -> tuple[str, str]:
    """A request as Kubernetes names it: verb and kind."""
    method, path = call.split()
    kind, *name = path.split("/namespaces/mlops/")[1].split("/")
    verb = {"GET": "get" if name else "list", "POST": "create", "DELETE": "delete"}[method]
    return verb, kind


def test_an_operator_that_is_not_there_is_named(world: World, settings: RunClusterSettings) -> None:
    """Long before the time is over that nodes may need; the cluster is removed, so that none comes later."""
    api, operator = world
    operator.awake = False
    with pytest.raises(RunClusterFailedError, match="dask-kubernetes-operator runs and watches this namespace"):
        run_cluster(settings, RUN, workers=1)
    assert api.of("DaskCluster") == []


def test_a_pod_that_finds_no_node_says_so(world: World, settings: RunClusterSettings) -> None:
    """With what Kubernetes said of it, when the time is over."""
    api, operator = world
    operator.place = "0/1 nodes are available: 1 Insufficient memory."
    short = settings.model_copy(update={"start_seconds": 2})
    with pytest.raises(RunClusterFailedError, match=r"no worker was there after 2 s\. A scheduler is Pending: 0/1 nod"):
        run_cluster(short, RUN, workers=1)
    assert api.of("DaskCluster") == []


def test_a_kubernetes_that_knows_no_clusters_says_so(world: World, settings: RunClusterSettings) -> None:
    """The definition comes with the operator."""
    api, _ = world
    api.refused["POST", "daskclusters"] = (404, "the server could not find the requested resource")
    with pytest.raises(RunClusterFailedError, match="Install dask-kubernetes-operator"):
        run_cluster(settings, RUN, workers=1)


def test_a_refusal_is_told_as_it_is(world: World, settings: RunClusterSettings) -> None:
    """A quota, or a right that the account has not."""
    api, _ = world
    api.refused["POST", "daskclusters"] = (403, "exceeded quota: sluice, requested: count/daskclusters=1")
    with pytest.raises(
        RunClusterFailedError, match=f"cluster sluice-{RUN[:8]}-.* did not start: Kubernetes said: exceeded"
    ):
        run_cluster(settings, RUN, workers=1)


def test_a_run_does_not_fail_for_a_cluster_that_stays(world: World, settings: RunClusterSettings) -> None:
    """What it did is done; the janitor removes the cluster."""
    api, _ = world
    api.refused["DELETE", "daskclusters"] = (500, "etcd is away")
    with run_cluster(settings, RUN, workers=1) as cluster:
        pass
    assert [one["metadata"]["name"] for one in api.of("DaskCluster")] == [cluster.name]
