"""What an uninstalled release's runs leave, against an API that keeps objects."""

import asyncio
import json
from typing import Any

from deployments.cluster.sweep import sweep
from tests.helm.kube_api import kube_api


def job(name: str, **labels: str) -> dict[str, Any]:
    named = {f"app.kubernetes.io/{label}": value for label, value in labels.items()}
    spec = {"restartPolicy": "Never", "containers": [{"name": "job", "image": "sluice-flows:0.1.0"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": {"metadata": {"labels": named}, "spec": spec}},
    }


def test_only_the_releases_own_runs_go() -> None:
    """Another release's runs, and jobs that are no runs, stay; so does what is in another namespace."""
    jobs = {
        "otter": job("otter", instance="sluice", component="flow-run"),
        "heron": job("heron", instance="sluice", component="flow-run"),
        "other": job("other", instance="other", component="flow-run"),
        "deploy": job("deploy", instance="sluice", component="deploy"),
        "backup": job("backup"),
    }

    async def swept(kubeconfig: dict[str, Any]) -> list[str]:
        from kubernetes_asyncio.config import new_client_from_config_dict

        api: Any = await new_client_from_config_dict(kubeconfig)
        async with api:
            return await sweep(api, "mlops", "sluice")

    with kube_api() as (api, kubeconfig):
        at = "/apis/batch/v1/namespaces"
        api.objects = {f"{at}/mlops/jobs/{name}": one for name, one in jobs.items()}
        api.objects[f"{at}/else/jobs/otter"] = jobs["otter"]
        assert sorted(asyncio.run(swept(json.loads(kubeconfig)))) == ["heron", "otter"]
        assert sorted(api.objects) == [
            f"{at}/else/jobs/otter",
            *(f"{at}/mlops/jobs/{name}" for name in ("backup", "deploy", "other")),
        ]
