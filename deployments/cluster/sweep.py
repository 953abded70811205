"""``python -m deployments.cluster.sweep NAMESPACE RELEASE [--dask-clusters]``: what runs made, removed after a release.

Jobs are made by Prefect's worker and Dask clusters by runs, so Helm does not know them. Finished jobs would stay until
their time is over, and those under way would work on against servers that are gone.
"""

import asyncio
import sys
from typing import TYPE_CHECKING

from deployments.cluster.dask_clusters import list_clusters, remove_cluster

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


async def sweep_clusters(api: "ApiClient", namespace: str, release: str) -> list[str]:
    """Remove those whose run is not there to do it; gives their names."""
    clusters = [one.name for one in await list_clusters(api, namespace, release) if not one.going]
    for name in clusters:
        await remove_cluster(api, namespace, name)
    return clusters


async def _here(namespace: str, release: str, clusters: bool) -> list[str]:
    from kubernetes_asyncio.client import ApiClient
    from kubernetes_asyncio.config import load_incluster_config

    load_incluster_config()  # type: ignore[no-untyped-call] # of its whole package only this has no types
    async with ApiClient() as api:
        removed = [f"job {name}" for name in await sweep(api, namespace, release)]
        if clusters:
            removed += [f"Dask cluster {name}" for name in await sweep_clusters(api, namespace, release)]
        return removed


def main(arguments: list[str]) -> None:
    from deployments.terminal import console

    match arguments:
        case [namespace, release, *options] if options in ([], ["--dask-clusters"]):
            for what in asyncio.run(_here(namespace, release, clusters=bool(options))):
                console.print(f"Removed the {what}.", markup=False)
        case _:
            sys.exit("Usage: python -m deployments.cluster.sweep NAMESPACE RELEASE [--dask-clusters]")


if __name__ == "__main__":
    main(sys.argv[1:])
