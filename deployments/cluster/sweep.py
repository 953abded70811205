"""``python -m deployments.cluster.sweep NAMESPACE RELEASE``: the jobs of a release's runs, removed after the release.

Prefect's worker made them, so Helm does not know them. Finished ones would stay until their time is over, and those
under way would work on against servers that are gone.
"""

import asyncio
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient, V1Job

LABELS = "app.kubernetes.io/"


async def sweep(api: "ApiClient", namespace: str, release: str) -> list[str]:
    """Remove them with their pods; gives their names."""
    from kubernetes_asyncio.client import BatchV1Api
    from kubernetes_asyncio.client.exceptions import ApiException

    batch = BatchV1Api(api)
    names = [job.metadata.name for job in (await batch.list_namespaced_job(namespace)).items if _is_run(job, release)]
    for name in names:
        try:
            await batch.delete_namespaced_job(name, namespace, propagation_policy="Background")
        except ApiException as error:
            if error.status != 404:  # its time was over just now
                raise
    return names


def _is_run(job: "V1Job", release: str) -> bool:
    """By the labels of its pod, which no run can take away; those of the job itself are a deployment's to choose."""
    labels = job.spec.template.metadata.labels or {}
    return (labels.get(f"{LABELS}instance"), labels.get(f"{LABELS}component")) == (release, "flow-run")


async def _here(namespace: str, release: str) -> list[str]:
    from kubernetes_asyncio.client import ApiClient
    from kubernetes_asyncio.config import load_incluster_config

    load_incluster_config()  # type: ignore[no-untyped-call] # of its whole package only this has no types
    async with ApiClient() as api:
        return await sweep(api, namespace, release)


def main(arguments: list[str]) -> None:
    from deployments.terminal import console

    if len(arguments) != 2:
        sys.exit("Usage: python -m deployments.cluster.sweep NAMESPACE RELEASE")
    for name in asyncio.run(_here(*arguments)):
        console.print(f"Removed the job {name}.", markup=False)


if __name__ == "__main__":
    main(sys.argv[1:])
