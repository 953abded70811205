"""What is registered with a Prefect server."""

from typing import Any

import pytest

from deployments.deployment import Deployment, deployments_of
from deployments.register import global_limits, kubernetes_template
from flows.stage import USE_CASE_SLOTS
from sluice.use_case import Resources, UseCaseConfig


@pytest.fixture
def deployments() -> list[Deployment]:
    configs = [
        UseCaseConfig(
            name=name,
            title=name,
            owner="o",
            source={},
            promote_if={},
            resources=Resources(gpu=gpu),
        )
        for name, gpu in (("tides", 0), ("whales", 1))
    ]
    return deployments_of(configs, "kubernetes")


def test_one_run_at_a_time_writes_a_use_case(deployments: list[Deployment]) -> None:
    """A deployment's own limit does not hold between train/tides and pipeline/tides; a global one does."""
    assert global_limits(deployments) == {"use-case:tides": USE_CASE_SLOTS, "use-case:whales": USE_CASE_SLOTS}


def test_job_template_knows_every_variable(deployments: list[Deployment]) -> None:
    """A job variable that the template does not know would be dropped without a word."""
    known = kubernetes_template()["variables"]["properties"]
    for deployment in deployments:
        assert deployment.job_variables.keys() <= known.keys()


def test_every_variable_of_the_template_is_used() -> None:
    """Each variable that can be given has a place in the job."""
    template = kubernetes_template()
    text = str(template["job_configuration"])
    assert [name for name in template["variables"]["properties"] if f"{{{{ {name} }}}}" not in text] == []


def test_jobs_are_restricted() -> None:
    """Pods pass the restricted profile: no root, no privileges, no writable image. Their time is bounded."""
    job: dict[str, Any] = kubernetes_template()["job_configuration"]["job_manifest"]["spec"]
    pod = job["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # With retries by Kubernetes as well as by Prefect a run would be carried out twice.
    assert job["backoffLimit"] == 0
    assert job["activeDeadlineSeconds"] == "{{ active_deadline_seconds }}"
    assert job["ttlSecondsAfterFinished"] == "{{ finished_job_ttl }}"


def test_prefect_accepts_the_template() -> None:
    """Prefect's own check of a job template: what its worker needs is in it."""
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    template = kubernetes_template()["job_configuration"]
    manifest = template["job_manifest"]
    manifest["metadata"] |= {"labels": {}, "annotations": {}}
    configuration = KubernetesWorkerJobConfiguration(job_manifest=manifest, namespace="sluice")
    assert configuration.job_manifest["kind"] == "Job"
