"""The pod of a run: made by Prefect's own worker from our job template with the release's changes."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import kubernetes_validate
import pytest
import yaml
from prefect.client.schemas.objects import FlowRun
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

from deployments.cluster.job_template import JobChanges, changed
from deployments.deployment import deployments_of, installed_configs
from deployments.register import kubernetes_template, placed
from sluice.use_case import load_use_case
from tests.helm.chart import NAMESPACE, RELEASE, Object
from tests.helm.options import OPTIONS, rendered


def job(option: str, flow: str, folder: Path, environment: str = "dev") -> Object:
    """What the worker sends to Kubernetes for a run of the movies."""
    release = rendered(environment, option)
    path = folder / "job.yaml"
    path.write_text(release.one("ConfigMap", "deploy")["data"]["job.yaml"])
    changes = JobChanges.read(path)
    template = changed(kubernetes_template(), changes)
    (variables,) = [
        one.job_variables
        for one in placed(deployments_of(installed_configs(shipped_only=True), "kubernetes"), changes)
        if one.full_name == f"{flow}/movies"
    ]
    configuration: Any = asyncio.run(
        KubernetesWorkerJobConfiguration.from_template_and_values(base_job_template=template, values=variables)
    )
    configuration.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="tidy-otter"))
    manifest: Object = configuration.job_manifest
    return manifest


@pytest.fixture(params=["as it is", "secrets of a vault", "object store", "placed"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Object]:
    return request.param, job(request.param, "train", tmp_path)


def test_kubernetes_takes_it(made: tuple[str, Object]) -> None:
    """Field by field, on the oldest and the newest version; one that is not known would be dropped silently."""
    for version in ("1.29", "1.36"):
        kubernetes_validate.validate(made[1], version, strict=True)


def test_it_is_restricted(made: tuple[str, Object]) -> None:
    """As every other pod of the release: no root, no token, nothing to write to but its own folders."""
    spec = made[1]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["serviceAccountName"] == f"{RELEASE}-flow-run"
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert len(set(mounts)) == len(mounts)
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}


def test_network_policies_select_it(made: tuple[str, Object]) -> None:
    """Prefect puts labels of its own on the pod; those that policies go by stay."""
    labels = made[1]["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == RELEASE
    assert labels["app.kubernetes.io/component"] == "flow-run"


def test_it_has_what_dask_workers_have(made: tuple[str, Object]) -> None:
    """A task runs in either place: same settings, same secrets by reference, same shared files."""
    option, manifest = made
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    worker = rendered("dev", option).one("Deployment", "dask-worker")["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == worker["envFrom"]
    ours = {one["name"]: one["valueFrom"] for one in container["env"] if "secretKeyRef" in one.get("valueFrom", {})}
    theirs = {one["name"]: one["valueFrom"] for one in worker["env"] if "secretKeyRef" in one.get("valueFrom", {})}
    assert ours == theirs
    assert {"SLUICE_DOCUMENTS__URI", "MLFLOW_TRACKING_PASSWORD", "PREFECT_API_AUTH_STRING"} <= ours.keys()
    for folder in ("/data", "/home/sluice", "/etc/sluice/logging"):
        assert [m for m in container["volumeMounts"] if m["mountPath"] == folder] == [
            m for m in worker["volumeMounts"] if m["mountPath"] == folder
        ]


def test_a_stage_has_its_own_resources(tmp_path: Path) -> None:
    """What a use case asks for is what its pods request; the pipeline only waits, and asks for little."""
    train, pipeline = (job("as it is", flow, tmp_path, "default") for flow in ("train", "pipeline"))
    asked = [one["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] for one in (train, pipeline)]
    wanted = load_use_case("movies").config.resources
    assert asked[0] == {"cpu": f"{wanted.cpu:g}", "memory": wanted.memory}
    assert asked[1] == {"cpu": "0.1", "memory": "512Mi"}
    assert train["spec"]["backoffLimit"] == 0
    assert train["metadata"]["namespace"] == NAMESPACE


def test_places_are_taken_over(tmp_path: Path) -> None:
    """Node labels, taints and priority of the values are those of runs."""
    spec = job("placed", "train", tmp_path)["spec"]["template"]["spec"]
    wanted = OPTIONS["placed"]["flows"]
    given = ("nodeSelector", "tolerations", "priorityClassName")
    assert {key: spec[key] for key in given} == {key: wanted[key] for key in given}


def test_a_stage_goes_where_it_was_sent(tmp_path: Path) -> None:
    """Nodes and resources of a stage, others again of one use case, and a GPU's nodes for who asks for one."""
    features, evaluate = (
        job("placed", flow, tmp_path)["spec"]["template"]["spec"] for flow in ("features", "evaluate")
    )
    assert features["nodeSelector"] == {"pool": "spot"}
    assert features["containers"][0]["resources"] == {
        "requests": {"cpu": "4", "memory": "8Gi"},
        "limits": {"memory": "8Gi"},
    }
    # Not said for the stage, so that of all runs.
    assert features["tolerations"] == OPTIONS["placed"]["flows"]["tolerations"]
    assert evaluate["nodeSelector"] == {"pool": "gpu"}
    assert [one["key"] for one in evaluate["tolerations"]] == ["nvidia.com/gpu"]
    assert evaluate["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_changes_are_yaml_of_the_known_form() -> None:
    """Whatever is switched on, the hook can read what the chart mounts for it."""
    for option in OPTIONS:
        release = rendered("dev", option)
        for configmap in release.of("ConfigMap"):
            if "job.yaml" in configmap["data"]:
                JobChanges.model_validate(yaml.safe_load(configmap["data"]["job.yaml"]))
