"""``python -m deployments.cluster.janitor NAMESPACE RELEASE``: removes Dask clusters that their runs left.

A run removes its own, and Kubernetes does when the run's pod is deleted. What is left is that of a run whose process
was killed in a pod that stays, or that ended while Kubernetes did not answer.
"""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from loguru import logger

from deployments.cluster.dask_clusters import ClusterOfRun, list_clusters, remove_cluster
from sluice.errors import RunNotFoundError, SluiceError
from sluice.runs import FlowRun, PrefectRuns
from sluice.settings import Settings

if TYPE_CHECKING:
    from kubernetes_asyncio.client import ApiClient

# A run that has just ended is removing its own.
_OVER = timedelta(minutes=1)
# Longer: Prefect may have been given an older database, and be given the right one again.
_UNKNOWN = timedelta(minutes=15)


def left_over(
    clusters: Iterable[ClusterOfRun], runs: Mapping[str, FlowRun | None], now: datetime
) -> list[tuple[ClusterOfRun, str]]:
    """Those to be removed, and why.

    Args:
        runs: by id, those that Prefect was asked for; None where it knows none.
    """
    found = []
    for cluster in clusters:
        if cluster.going:
            continue
        run = runs.get(cluster.run)
        if run is None:
            if now - cluster.made > _UNKNOWN:
                found.append((cluster, f"Prefect knows no run {cluster.run}" if cluster.run else "it is of no run"))
        elif run.final and now - (run.end_time or cluster.made) > _OVER:
            found.append((cluster, f"the run {run.name} is {run.state_name}"))
    return found


async def clean(api: "ApiClient", prefect: PrefectRuns, namespace: str, release: str, now: datetime) -> list[str]:
    """Look once; gives the names of what was removed.

    Raises:
        ServiceUnavailableError: Prefect does not answer; nothing is removed then.
    """
    clusters = await list_clusters(api, namespace, release)
    runs = {cluster.run: _run(prefect, cluster.run) for cluster in clusters if cluster.run}
    removed = []
    for cluster, reason in left_over(clusters, runs, now):
        await remove_cluster(api, namespace, cluster.name)
        logger.bind(flow_run_id=cluster.run).warning("Removed the Dask cluster {}: {}", cluster.name, reason)
        removed.append(cluster.name)
    return removed


def _run(prefect: PrefectRuns, run_id: str) -> FlowRun | None:
    try:
        return prefect.read(run_id)
    except RunNotFoundError:
        return None


async def _here(settings: Settings, namespace: str, release: str) -> list[str]:
    from kubernetes_asyncio.client import ApiClient
    from kubernetes_asyncio.config import load_incluster_config

    load_incluster_config()  # type: ignore[no-untyped-call] # of its whole package only this has no types
    async with ApiClient() as api:
        with PrefectRuns.of(settings.prefect) as prefect:
            return await clean(api, prefect, namespace, release, datetime.now(UTC))


def main(arguments: list[str]) -> None:
    from observability.process import configure_process

    if len(arguments) != 2:
        sys.exit("Usage: python -m deployments.cluster.janitor NAMESPACE RELEASE")
    try:
        settings = Settings.load()
        configure_process(settings, service="dask-janitor")
        removed = asyncio.run(_here(settings, *arguments))
    except SluiceError as error:
        sys.exit(str(error))
    logger.info("Removed {} Dask clusters that were left", len(removed))


if __name__ == "__main__":
    main(sys.argv[1:])
