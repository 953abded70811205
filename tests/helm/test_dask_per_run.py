"""A Dask cluster for each run: the manifest that the chart mounts, and what the operator makes of it."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from dask_kubernetes.operator.validation import validate_cluster_name

from sluice.settings import Settings
from tests.helm.chart import NAMESPACE, RELEASE, Object, Release, component, merged, render
from tests.helm.dask_operator import RUN, made_by_operator, made_by_run, refusals
from tests.helm.options import OPTIONS, rendered
from tests.helm.test_runs import job

OPTION = "dask per run"
# Numbers where Kubernetes takes a number or a text, and everything that a pod may be given.
GENEROUS = {
    "resources": {"requests": {"cpu": 2, "memory": "4Gi"}, "limits": {"memory": "4Gi", "nvidia.com/gpu": 1}},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"pool": "dask"},
    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
    "priorityClassName": "low",
}


def manifest(release: Release) -> str:
    text: str = release.one("ConfigMap", "dask-cluster")["data"]["cluster.yaml"]
    return text


@pytest.fixture(params=["as it is", "object store", "secrets of a vault", "watched", "generous"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Object:
    """The DaskCluster of a run, in a release with another option too."""
    generous = {"dask": {"worker": GENEROUS, "scheduler": GENEROUS}}
    more: Any = generous if request.param == "generous" else OPTIONS[request.param]
    return made_by_run(manifest(render("dev", merged(OPTIONS[OPTION], more))), tmp_path)


def test_the_operators_definition_takes_it(made: Object) -> None:
    """Field by field: one that it does not know would be dropped silently, a number in place of a text refused."""
    assert refusals(made) == []
    validate_cluster_name(made["metadata"]["name"])


def test_its_definition_refuses_what_is_wrong(made: Object) -> None:
    """Otherwise the test above would be of no use."""
    made["spec"]["worker"]["spec"]["containers"][0]["comand"] = []
    made["spec"]["scheduler"]["service"]["ports"][0]["targetPort"] = 8786
    assert len(refusals(made)) == 2


def test_kubernetes_takes_what_the_operator_makes(made: Object) -> None:
    """Service and deployments, on the oldest and the newest version."""
    for one in made_by_operator(made):
        for version in ("1.29", "1.36"):
            kubernetes_validate.validate(one, version, strict=True)


def test_it_is_of_its_run(made: Object) -> None:
    """Named after the release and the run, removed with the run's pod, and with the workers that were asked for."""
    metadata = made["metadata"]
    assert metadata["name"].startswith(f"{RELEASE}-{RUN[:8]}-")
    assert "generateName" not in metadata
    assert metadata["namespace"] == NAMESPACE
    assert metadata["labels"]["sluice-flow-run"] == RUN
    assert metadata["ownerReferences"] == [{"apiVersion": "v1", "kind": "Pod", "name": "tidy-otter-x", "uid": "u"}]
    assert made["spec"]["worker"]["replicas"] == 3
    assert made["spec"]["idleTimeout"] == 900


def test_prefects_worker_does_not_take_it_for_a_run(made: Object) -> None:
    """It watches pods with labels of its own, and would say that the run has crashed when one of these ends."""
    for deployment in made_by_operator(made)[1:]:
        assert not any(
            label.startswith("prefect.io/") for label in deployment["spec"]["template"]["metadata"]["labels"]
        )


def test_its_service_finds_its_scheduler(made: Object) -> None:
    """By labels that only this cluster's pod has; the ports have the names that KubeCluster looks for."""
    service, scheduler, worker = made_by_operator(made)
    labels, others = (one["spec"]["template"]["metadata"]["labels"] for one in (scheduler, worker))
    assert service["spec"]["selector"].items() <= labels.items()
    assert not service["spec"]["selector"].items() <= others.items()
    opened = {one["name"] for one in scheduler["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert {one["name"]: one["port"] for one in service["spec"]["ports"]} == {"tcp-comm": 8786, "http-dashboard": 8787}
    assert {one["targetPort"] for one in service["spec"]["ports"]} <= opened


def test_workers_are_told_where_their_scheduler_is(made: Object) -> None:
    """By its short name, so that the cluster's domain does not matter; they are called as the operator knows them."""
    service, _, worker = made_by_operator(made)
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    environment = [one["name"] for one in container["env"]]
    assert len(set(environment)) == len(environment)
    values = {one["name"]: one.get("value") for one in container["env"]}
    assert values["DASK_SCHEDULER_ADDRESS"] == f"tcp://{service['metadata']['name']}:8786"
    assert values["DASK_WORKER_NAME"] == worker["metadata"]["name"]
    assert {"$(DASK_SCHEDULER_ADDRESS)", "--name=$(DASK_WORKER_NAME)"} <= set(container["command"])


@pytest.mark.parametrize("option", ["as it is", "object store", "secrets of a vault", "placed"])
def test_its_pods_are_those_of_the_shared_cluster(option: str, tmp_path: Path) -> None:
    """The same image, user, settings, secrets, mounts, limits and probes, and so just as restricted."""
    release = render("dev", merged(OPTIONS[option], OPTIONS[OPTION]))
    _, scheduler, worker = made_by_operator(made_by_run(manifest(release), tmp_path))
    shared = rendered("dev", option)
    for name, made in (("dask-scheduler", scheduler), ("dask-worker", worker)):
        theirs, ours = (deepcopy(one["spec"]["template"]) for one in (shared.one("Deployment", name), made))
        added = {"DASK_SCHEDULER_ADDRESS", "DASK_WORKER_NAME"}
        for spec in (theirs["spec"], ours["spec"]):
            (container,) = spec["containers"]
            container = spec["containers"][0] = {**container, "command": len(container["command"])}
            container["env"] = [one for one in container["env"] if one["name"] not in added]
        assert ours["spec"] == theirs["spec"]
        selecting = {key: theirs["metadata"]["labels"][key] for key in _SELECTING}
        assert selecting.items() <= ours["metadata"]["labels"].items()
        assert "Helm" not in ours["metadata"]["labels"].values()


_SELECTING = [f"app.kubernetes.io/{label}" for label in ("name", "instance", "component")]


def test_nothing_is_shared_then() -> None:
    """No scheduler and no worker of the release itself, and no address of one."""
    release = rendered("dev", OPTION)
    assert not {component(one) for one in release.of("Deployment", "Service")} & {"dask-scheduler", "dask-worker"}
    assert (
        render("dev", merged(OPTIONS["scaled"], OPTIONS[OPTION])).of("HorizontalPodAutoscaler")[0]["metadata"]["name"]
        == f"{RELEASE}-serving"
    )
    names = {name for name in release.settings() if name.startswith("SLUICE_DASK__")}
    assert names == {"SLUICE_DASK__PER_RUN__SPEC", "SLUICE_DASK__PER_RUN__START_SECONDS"}


def test_settings_of_its_processes_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serving and the exporter see that there is no dashboard to ask, and no page to link to."""
    for name, value in rendered("dev", OPTION).settings().items():
        if name.startswith("SLUICE_"):
            monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert settings.dask.per_run.start_seconds == 600
    assert settings.dask_dashboard == ""


def test_a_run_can_make_its_cluster(tmp_path: Path) -> None:
    """Its pod has a token, the manifest where the settings say it is, and knows what it is called itself."""
    release = rendered("dev", OPTION)
    pod = job(OPTION, "train", tmp_path)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is True
    (container,) = pod["containers"]
    path = Path(release.settings()["SLUICE_DASK__PER_RUN__SPEC"])
    (mount,) = [one for one in container["volumeMounts"] if one["mountPath"] == str(path.parent)]
    (volume,) = [one for one in pod["volumes"] if one["name"] == mount["name"]]
    assert path.name in release.one("ConfigMap", volume["configMap"]["name"].removeprefix(f"{RELEASE}-"))["data"]
    fields = {one["name"]: one["valueFrom"].get("fieldRef") for one in container["env"] if "valueFrom" in one}
    assert fields["SLUICE_DASK__PER_RUN__POD_NAME"] == {"fieldPath": "metadata.name"}
    assert fields["SLUICE_DASK__PER_RUN__POD_UID"] == {"fieldPath": "metadata.uid"}
    for version in ("1.29", "1.36"):
        kubernetes_validate.validate(job(OPTION, "train", tmp_path), version, strict=True)


@pytest.mark.parametrize(("flow", "clusters"), [("train", 1), ("pipeline", 4)])
def test_a_run_has_time_for_its_cluster(flow: str, clusters: int, tmp_path: Path) -> None:
    """Its job is not ended for the minutes that nodes and images took; a pipeline waits for four stages."""
    shared, own = (job(option, flow, tmp_path)["spec"]["activeDeadlineSeconds"] for option in ("as it is", OPTION))
    assert own == shared + 600 * clusters


def test_metrics_are_found_under_the_same_names() -> None:
    """The service of a run's scheduler has another port's name; its job is that of the rules all the same."""
    release = render("dev", merged(OPTIONS["watched"], OPTIONS[OPTION]))
    text = manifest(release)
    service, scheduler, worker = made_by_operator(
        {**yaml.safe_load(text), "metadata": {**yaml.safe_load(text)["metadata"], "name": "otter"}}
    )
    monitor = release.one("ServiceMonitor", "dask-scheduler")["spec"]
    (endpoint,) = monitor["endpoints"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {one["name"] for one in service["spec"]["ports"]}
    assert {"targetLabel": "job", "replacement": "dask-scheduler"} in endpoint["relabelings"]
    (pods,) = release.of("PodMonitor")
    labels = worker["spec"]["template"]["metadata"]["labels"]
    assert pods["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert not pods["spec"]["selector"]["matchLabels"].items() <= scheduler["metadata"]["labels"].items()


def test_the_janitor_looks_and_ends() -> None:
    """One at a time, and one that hangs is over before the next begins."""
    spec = rendered("dev", OPTION).one("CronJob", "dask-janitor")["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 300
    (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"][2:] == ["deployments.cluster.janitor", NAMESPACE, RELEASE]


def test_an_uninstall_takes_clusters_with_it() -> None:
    """The job that sweeps is told of them only where there can be some: without the right it would fail."""
    for option, arguments in ((OPTION, ["--dask-clusters"]), ("as it is", None)):
        pod = rendered("dev", option).one("Job", "sweep")["spec"]["template"]["spec"]
        assert pod["containers"][0].get("args") == arguments


def test_longest_names_fit(tmp_path: Path) -> None:
    """A label has 63 characters at most, and the operator puts names into labels."""
    release = render("dev", merged(OPTIONS[OPTION], {"fullnameOverride": "x" * 60}))
    (text,) = [text for one in release.of("ConfigMap") for name, text in one["data"].items() if name == "cluster.yaml"]
    cluster = made_by_run(text, tmp_path)
    validate_cluster_name(cluster["metadata"]["name"])
    for one in made_by_operator(cluster):
        assert all(len(value) <= 63 for value in one["metadata"]["labels"].values())
