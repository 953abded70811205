"""A Dask cluster of one run, made by dask-kubernetes' operator and gone with the run.

It goes in one of five ways: the run ends; the run's pod is deleted, which owns it; it was idle for as long as its
manifest says (``idleTimeout``); the janitor sees that its run is over (`deployments.cluster.janitor`); the release is
uninstalled.
"""

import asyncio
from contextlib import suppress
from typing import Any, ClassVar

import kr8s
from dask_kubernetes.operator import KubeCluster
from dask_kubernetes.operator._objects import DaskCluster
from dask_kubernetes.operator.kubecluster.kubecluster import CreateMode
from kr8s.asyncio.objects import Pod
from loguru import logger

from flows.cluster_manifest import Manifest, manifest_of
from flows.cluster_problem import NO_KIND, NO_OPERATOR, phase, what_is_missing
from sluice.dask_settings import RunClusterSettings
from sluice.errors import SluiceError

# A running operator answers within a second or two.
_OPERATOR_SECONDS = 60.0
_CLOSE_SECONDS = 30.0
_POLL_SECONDS = 0.25


class RunClusterFailedError(SluiceError):
    """Fields: cluster, problem."""

    status: ClassVar[int] = 503
    template: ClassVar[str] = (
        "The run's Dask cluster {cluster} did not start: {problem}. When that is mended, run it again."
    )


class RunCluster(KubeCluster):  # type: ignore[misc]  # it has no types
    """Its first worker is there when it is made. Their number stays: scaling down can end busy ones.

    Args:
        manifest: of `manifest_of`.
        start_seconds: longest time to the first worker.

    Raises:
        RunClusterFailedError: Kubernetes refused it, or there was no worker by then; it is removed again.
    """

    operator_seconds = _OPERATOR_SECONDS
    _kubernetes: Any = None

    def __init__(self, manifest: Manifest, start_seconds: float) -> None:
        self._start_seconds = start_seconds
        super().__init__(
            custom_cluster_spec=manifest,
            # kr8s would take "default": it never looks for the one that a service account is of.
            namespace=manifest["metadata"]["namespace"],
            # One of that name would be somebody else's.
            create_mode=CreateMode.CREATE_ONLY,
            shutdown_on_close=True,
            # Theirs would ask for a pod's log, which a run may not read.
            resource_timeout=0,
            quiet=True,
        )

    async def _start(self) -> None:
        try:
            await asyncio.wait_for(self._until_first_worker(), self._start_seconds)
        # Whatever Kubernetes, the network or KubeCluster says.
        except Exception as error:
            problem = await self._problem(error)
            await self._close()
            raise RunClusterFailedError(cluster=self.name, problem=problem) from None

    async def _until_first_worker(self) -> None:
        # Kept, or each request would be one of a new client.
        self._kubernetes = await kr8s.asyncio.api()
        await super()._start()
        while not self.scheduler_info["workers"]:
            await asyncio.sleep(_POLL_SECONDS)

    async def _wait_for_controller(self) -> None:
        """Until it has a phase. KubeCluster waits for Running, which Pending may overwrite (dask-kubernetes#968)."""
        cluster = await DaskCluster.get(self.name, namespace=self.namespace, timeout=30)
        waited = 0.0
        while not phase(cluster.raw):
            if waited > self.operator_seconds:
                raise RunClusterFailedError(cluster=self.name, problem=NO_OPERATOR)
            await asyncio.sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
            await cluster.refresh()

    async def _watch_component_status(self) -> None:
        """Only a terminal shows it, and it asks for more than a run may see."""

    async def _problem(self, error: Exception) -> str:
        if isinstance(error, RunClusterFailedError):
            return str(error.problem)
        if isinstance(error, kr8s.ServerError):
            missing = error.response is not None and error.response.status_code == 404
            return NO_KIND if missing else f"Kubernetes said: {error}"
        if not isinstance(error, TimeoutError):
            return f"{type(error).__name__}: {error}"
        listed: dict[str, Any] = {"namespace": self.namespace, "raw": True}
        try:
            found = [one async for one in DaskCluster.list(field_selector=f"metadata.name={self.name}", **listed)]
            of_it = f"dask.org/cluster-name={self.name}"
            pods: list[Any] = [one async for one in Pod.list(label_selector=of_it, **listed)]
        except Exception as unread:
            return f"no worker was there after {self._start_seconds:.0f} s, and Kubernetes does not say why ({unread})"
        return what_is_missing(found[0] if found else None, pods, self._start_seconds)

    async def _close(self, timeout: float = _CLOSE_SECONDS) -> None:
        """Have it removed, and do not wait for that. A run that did its work does not fail for a cluster that stays."""
        self.shutdown_on_close = False
        try:
            async with asyncio.timeout(min(timeout, _CLOSE_SECONDS)):
                await super()._close()
                with suppress(kr8s.NotFoundError):
                    await (await DaskCluster(self.name, namespace=self.namespace)).delete()
        except Exception as error:
            why = str(error) or type(error).__name__
            logger.warning("The Dask cluster {} is not removed yet; the janitor looks after it. ({})", self.name, why)
        if self._kubernetes is not None and (session := self._kubernetes._session) is not None:
            await session.aclose()  # it has no end of its own


def run_cluster(settings: RunClusterSettings, run: str, workers: int) -> RunCluster:
    """The cluster of a run, as its settings' manifest describes it.

    Raises:
        SettingsInvalidError: the manifest cannot be read.
        RunClusterFailedError: as `RunCluster`.
    """
    return RunCluster(manifest_of(settings, run, workers), settings.start_seconds)
