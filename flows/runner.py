"""The task runner of every stage: prefect-dask's, made when a run starts and not at import, and never hanging.

prefect-dask's future swallows the death of a worker and leaves the task run Running for ever (prefect#21638); a
runner that is made at import makes every worker that imports the module build a cluster (prefect#15260).
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import distributed
from distributed.scheduler import KilledWorker
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import RunInput, State
from prefect.context import FlowRunContext
from prefect.logging import get_run_logger
from prefect.states import Crashed
from prefect.tasks import Task
from prefect.utilities.collections import visit_collection
from prefect_dask import DaskTaskRunner
from prefect_dask.client import PrefectDaskClient
from prefect_dask.task_runners import PrefectDaskFuture

from flows.carried import TracedClient
from flows.occupancy import of_run
from flows.run_log import LogTarget
from flows.task_details import note_submitted
from flows.time_limits import raise_if_over
from sluice.dask_settings import RunClusterSettings
from sluice.errors import WorkerLostError
from sluice.settings import Settings

if TYPE_CHECKING:
    from flows.run_cluster import RunCluster

_POLL_SECONDS = 5.0
_NO_WORKER_SECONDS = 60.0


class ClusterFuture(PrefectDaskFuture[Any]):
    """A future that ends when its worker died: the task run becomes Crashed, and says why."""

    task_name = "a task"

    def wait(self, timeout: float | None = None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        workers_seen = time.monotonic()
        while self._final_state is None:
            try:
                remaining = _POLL_SECONDS if deadline is None else min(_POLL_SECONDS, deadline - time.monotonic())
                result = self._wrapped_future.result(timeout=max(remaining, 0))
            # The second is what distributed makes of a wait that is cancelled in the moment in which its time is over.
            except (distributed.TimeoutError, UnboundLocalError):
                raise_if_over()
                if deadline is not None and time.monotonic() >= deadline:
                    return
                if self._wrapped_future.client.scheduler_info(n_workers=1)["workers"]:
                    workers_seen = time.monotonic()
                elif time.monotonic() - workers_seen > _NO_WORKER_SECONDS:
                    self._crash(f"the cluster has had no worker for {_NO_WORKER_SECONDS:.0f} s")
            except (KilledWorker, distributed.CancelledError, OSError) as error:
                self._crash(str(error) or type(error).__name__)
            else:
                self._final_state = result if isinstance(result, State) else None
                return

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> Any:
        self.wait(timeout)
        return super().result(timeout=timeout, raise_on_failure=raise_on_failure)

    def _crash(self, problem: str) -> None:
        raise_if_over()
        self._final_state = Crashed(message=str(WorkerLostError(task=self.task_name, problem=problem)))
        with get_client(sync_client=True) as client:
            client.set_task_run_state(self.task_run_id, self._final_state, force=True)


class ClusterTaskRunner(DaskTaskRunner):
    """Connects to the scheduler that the settings name, or makes a cluster for this run: pods, or local processes.

    Pods are made when the client is first asked for: a run that waits for its turn has none.
    """

    _per_run: RunClusterSettings | None = None

    def __enter__(self) -> "ClusterTaskRunner":
        dask = Settings.load().dask
        if dask.address:
            self.address = dask.address
        elif dask.per_run.spec is not None:
            self._per_run = dask.per_run
        else:
            self.cluster_kwargs = {
                "n_workers": dask.workers,
                "threads_per_worker": dask.threads,
                "memory_limit": dask.memory_limit,
                "dashboard_address": None,
                "preload": ["observability.dask_process"],
            }
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    @property
    def client(self) -> PrefectDaskClient:
        """Made at its first use.

        Raises:
            RunClusterFailedError: the run's own cluster did not start.
        """
        if self._per_run is not None and self._cluster is None:
            self._cluster = self._exit_stack.enter_context(_cluster_here(self._per_run))
        return super().client

    def submit(  # type: ignore[override]  # one signature instead of two overloads for async and sync tasks
        self,
        task: "Task[Any, Any]",
        parameters: dict[str, Any],
        wait_for: Iterable[Any] | None = None,
        dependencies: dict[str, set[RunInput]] | None = None,
    ) -> ClusterFuture:
        # prefect-dask makes the client, and asks for no class.
        self.client.__class__ = TracedClient
        target = LogTarget.current()
        with of_run(target.flow_run_id if target else None):
            future = super().submit(task, parameters, wait_for, dependencies)
        note_submitted(future.task_run_id, task.name, parameters, _given(parameters))
        mine = ClusterFuture(wrapped_future=future.wrapped_future, task_run_id=future.task_run_id)
        mine.task_name = task.name
        return mine


def connect() -> PrefectDaskClient:
    """The client of the run that is active here.

    Raises:
        RunClusterFailedError: the run's own cluster did not start.
    """
    context = FlowRunContext.get()
    assert context is not None
    assert isinstance(context.task_runner, ClusterTaskRunner)
    return context.task_runner.client


def _cluster_here(settings: RunClusterSettings) -> "RunCluster":
    """A cluster of the run that is active here, with the workers that its use case asks for."""
    from flows.run_cluster import run_cluster
    from sluice.use_case import load_use_case

    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    use_case = (context.parameters or {}).get("use_case")
    workers = load_use_case(use_case).config.resources.workers if use_case else Settings.load().dask.workers
    log, began = get_run_logger(), time.monotonic()
    log.info(f"Making a Dask cluster of {workers} workers for this run")
    cluster = run_cluster(settings, str(context.flow_run.id), workers)
    log.info(f"The Dask cluster {cluster.name} has its first worker after {time.monotonic() - began:.0f} s")
    return cluster


def _given(parameters: dict[str, Any]) -> list[str]:
    """The task runs whose results are among these parameters."""
    found: list[str] = []

    def note(one: Any) -> Any:
        if isinstance(one, PrefectDaskFuture):
            found.append(str(one.task_run_id))
        return one

    visit_collection(parameters, visit_fn=note, return_data=False)
    return list(dict.fromkeys(found))
