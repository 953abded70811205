"""The paths that the network policies leave open are those that our components use, and no others."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.helm.chart import NAMESPACE, RELEASE, Object, Release, component
from tests.helm.dask_operator import deployments_of
from tests.helm.options import OPTIONS, rendered
from tests.helm.upstream import releases

# Who connects to what, and why. Kept by hand from what the code does; the chart has its own list.
CONNECTIONS: Mapping[tuple[str, str, int], str] = {
    ("prefect-worker", "prefect-server", 4200): "polls its work pool",
    ("flow-run", "prefect-server", 4200): "states, results' records, logs, limits; the pipeline starts stages",
    ("dask-worker", "prefect-server", 4200): "states and logs of tasks",
    ("catch-up", "prefect-server", 4200): "looks for runs that are missing",
    ("exporter", "prefect-server", 4200): "copies runs",
    ("serving", "prefect-server", 4200): "starts runs, shows them",
    ("deploy", "prefect-server", 4200): "registers",
    ("test", "prefect-server", 4200): "starts a run and waits",
    ("prefect-server", "postgresql", 5432): "its database",
    ("mlflow", "postgresql", 5432): "its database, and its accounts",
    ("flow-run", "mongodb", 27017): "promotions, quarantine's counts",
    ("dask-worker", "mongodb", 27017): "the same, from tasks",
    ("catch-up", "mongodb", 27017): "how far it has looked",
    ("exporter", "mongodb", 27017): "the archive",
    ("serving", "mongodb", 27017): "predictions, API keys",
    ("flow-run", "mlflow", 5000): "runs and versions",
    ("dask-worker", "mlflow", 5000): "the same, from tasks",
    ("exporter", "mlflow", 5000): "what is registered",
    ("serving", "mlflow", 5000): "who is champion",
    ("flow-run", "dask-scheduler", 8786): "gives tasks",
    ("dask-worker", "dask-scheduler", 8786): "takes tasks; a task fans out",
    ("exporter", "dask-scheduler", 8787): "whether it is up",
    ("serving", "dask-scheduler", 8787): "GET /workers",
    ("dask-scheduler", "dask-worker", 8788): "gathers, restarts",
    ("dask-worker", "dask-worker", 8788): "data that a task needs",
    ("dask-scheduler", "dask-worker", 8789): "tells a nanny to restart its worker",
    ("exporter", "serving", 8000): "whether it is up",
    ("test", "serving", 8000): "asks for a prediction",
}
# A run's own cluster is asked for nothing by those that would not know its name.
PER_RUN = {path for path in CONNECTIONS if path[1:] != ("dask-scheduler", 8787)} | {
    ("dask-janitor", "prefect-server", 4200)
}
Path = tuple[str, str, int]


@pytest.fixture
def release() -> Release:
    return rendered("default")


def pods_of(release: Release) -> dict[str, Mapping[str, str]]:
    """Labels of each component's pods. Those of runs are made by Prefect's worker, which sets others on top.

    What sweeps after an uninstall runs when no policy of the release is left.
    """
    labels = {name: pod["metadata"]["labels"] for name, pod in release.pods() if name != "sweep"}
    if release.has("ConfigMap", "dask-cluster"):
        labels |= {pod["app.kubernetes.io/component"]: pod for pod in made_labels(release)}
    labels["flow-run"] = {
        "app.kubernetes.io/instance": RELEASE,
        "app.kubernetes.io/component": "flow-run",
        "app.kubernetes.io/name": "movies",
    }
    return labels


def made_labels(release: Release) -> Iterator[Mapping[str, str]]:
    """Of the pods of a run's own Dask cluster, as the operator labels them."""
    for deployment in deployments_of(release.one("ConfigMap", "dask-cluster")["data"]["cluster.yaml"]):
        yield deployment["spec"]["template"]["metadata"]["labels"]


def selected(selector: Object, labels: Mapping[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def rules(release: Release, name: str, direction: str) -> Iterator[Object]:
    """What the policies that select a component's pods allow them."""
    labels = pods_of(release)[name]
    for policy in release.of("NetworkPolicy"):
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        if selected(policy["spec"]["podSelector"], labels):
            yield from policy["spec"].get(direction) or []


def inside(release: Release, name: str, direction: str) -> Iterator[tuple[str, int]]:
    """Other components and ports, of one direction."""
    for rule in rules(release, name, direction):
        for peer in rule["from" if direction == "ingress" else "to"]:
            if peer.keys() == {"podSelector"}:
                for other, labels in pods_of(release).items():
                    if selected(peer["podSelector"], labels):
                        yield from ((other, port["port"]) for port in rule["ports"])


def paths(release: Release) -> set[Path]:
    """What gets through: let out by one's policies and in by the other's."""
    names = pods_of(release)
    out = {(name, to, port) for name in names for to, port in inside(release, name, "egress")}
    into = {(source, name, port) for name in names for source, port in inside(release, name, "ingress")}
    assert out == into, "a path is open on one side only"
    return out & into


def outside(release: Release, name: str, direction: str = "egress") -> list[Any]:
    """Peers that are no pods of this release."""
    return [
        (peer, [port["port"] for port in rule["ports"]])
        for rule in rules(release, name, direction)
        for peer in rule["from" if direction == "ingress" else "to"]
        if peer.keys() != {"podSelector"}
    ]


def test_paths_are_what_components_use(release: Release) -> None:
    """None is missing, or something would not work; none is too many."""
    assert paths(release) == CONNECTIONS.keys()


def test_nothing_gets_through_by_default(release: Release) -> None:
    """One policy selects every pod of the release, those of runs too, and allows nothing."""
    policy = release.one("NetworkPolicy", "default-deny")["spec"]
    assert not policy.get("ingress")
    assert not policy.get("egress")
    assert all(selected(policy["podSelector"], labels) for labels in pods_of(release).values())


def test_only_who_has_to_leaves_the_cluster(release: Release) -> None:
    """Runs and Dask workers read sources, the worker asks Kubernetes; nobody else reaches an address outside."""
    leaving = {name for name in pods_of(release) for peer, _ in outside(release, name) if "ipBlock" in peer}
    assert leaving == {"prefect-worker", "flow-run", "dask-worker"}


def test_sources_are_not_the_clusters_own_addresses(release: Release) -> None:
    """A use case that reads the web does not reach what is beside it, or a cloud's metadata service."""
    (block,) = [peer["ipBlock"] for peer, ports in outside(release, "flow-run") if "ipBlock" in peer and 80 in ports]
    assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(block["except"])


def test_everybody_can_ask_for_names(release: Release) -> None:
    """Without DNS no service is found."""
    for name in pods_of(release):
        assert [ports for peer, ports in outside(release, name) if "namespaceSelector" in peer] == [[53, 53]]


def test_people_come_through_the_ingress_only() -> None:
    """The ingress controller reaches the pages that ask who somebody is, and not Dask, which does not."""
    release = rendered("default", "https")
    entered = {name for name in pods_of(release) for _ in outside(release, name, "ingress")}
    assert entered == {"prefect-server", "mlflow", "serving"}


def test_prometheus_reaches_metrics_only() -> None:
    """Each component with metrics opens that port to the namespace of Prometheus."""
    release = rendered("default", "watched")
    asked = {(name, *ports) for name in pods_of(release) for _, ports in outside(release, name, "ingress")}
    assert asked == {
        ("prefect-server", 4200),
        ("mlflow", 5000),
        ("dask-scheduler", 8787),
        ("dask-worker", 8790),
        ("serving", 8000),
        ("exporter", 9200),
    }


@pytest.mark.parametrize("option", set(OPTIONS) - {"open network"})
def test_what_is_elsewhere_is_reached(option: str) -> None:
    """Whoever would ask a part that is not here may ask its address outside, and paths inside stay a subset."""
    release = rendered("dev", option)
    assert paths(release) <= (PER_RUN if option == "dask per run" else CONNECTIONS.keys())
    here = {component(one) for one in release.of("Deployment", "StatefulSet")}
    for source, server, _ in CONNECTIONS:
        if server in {"prefect-server", "mlflow", "postgresql", "mongodb"} - here and source in here:
            assert [peer for peer, _ in outside(release, source) if "ipBlock" in peer], (source, server)


def test_the_cluster_of_a_run_is_reached_by_runs() -> None:
    """The same paths as to a shared one, but nobody asks its dashboard; and runs ask Kubernetes."""
    release = rendered("default", "dask per run")
    assert paths(release) == PER_RUN
    asking = {name for name in pods_of(release) for peer, ports in outside(release, name) if 6443 in ports}
    assert asking == {"prefect-worker", "flow-run", "dask-janitor"}


def test_the_operator_asks_schedulers_whether_they_are_idle() -> None:
    """From its own namespace, on the port of the pages and not on the one that runs whatever it is sent."""
    release = rendered("default", "dask per run")
    entered = {(name, *ports) for name in pods_of(release) for _, ports in outside(release, name, "ingress")}
    assert entered == {("dask-scheduler", 8787)}
    (found,) = [one for one in releases()["releases"] if one["name"] == "dask-kubernetes-operator"]
    ((peer, _),) = outside(release, "dask-scheduler", "ingress")
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": found["namespace"]}


def test_policies_are_of_this_release(release: Release) -> None:
    """Another release in the same namespace is left alone."""
    for policy in release.of("NetworkPolicy"):
        assert policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == RELEASE
        assert policy["metadata"].get("namespace", NAMESPACE) == NAMESPACE
