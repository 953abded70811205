"""The workers that a run's tasks occupy: found by a mark that the tasks carry, told, and freed.

The scheduler and the nannies run functions of this module, so nothing of ours is imported at module level but what
knows neither Prefect nor a use case.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import distributed
from dask.base import annotate

from flows.interruption import count_running, interrupt

_MARK = "sluice_run"
# A worker that holds Python's lock, in C code, does not answer at all.
_ANSWER_SECONDS = 3.0
_KILL_SECONDS = 0.5


def of_run(run: str | None) -> AbstractContextManager[None]:
    """Tasks that are submitted in this block are this run's."""
    marked: AbstractContextManager[None] = annotate(**{_MARK: run})
    return marked


def tell(client: distributed.Client, run: str) -> int:
    """Raise the soft limit's error in the run's steps, on all workers that have some; gives how many heard it."""
    workers = _ask(client.run_on_scheduler, _processing, run)
    if workers == []:
        return 0
    told = _ask(client.run, interrupt, run, workers=workers, on_error="ignore") or {}
    return sum(told.values())


def free(client: distributed.Client, run: str) -> list[str]:
    """Cancel the run's tasks, and end the worker processes that are busy with them all the same.

    A nanny starts a new process at once. What others had there is done again, on another worker or on the new one.

    Returns:
        The addresses of those that were ended.
    """
    workers = _ask(client.run_on_scheduler, _processing, run) or []
    # First of all, or the next worker would get what the first one is killed for.
    _ask(client.run_on_scheduler, _cancel, run)
    stuck = [worker for worker in workers if _is_busy(client, worker, run)]
    for worker in stuck:
        if not _ask(client.run, _end_process, workers=[worker], nanny=True, on_error="ignore"):
            # Without a nanny: it is removed, and what deployed it starts another one.
            _ask(client.restart_workers, [worker], raise_for_error=False)
    return stuck


def _is_busy(client: distributed.Client, worker: str, run: str) -> bool:
    there = _ask(client.run, count_running, run, workers=[worker], on_error="ignore")
    return there is None or there.get(worker, 1) > 0


def _ask(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """One of the client's methods, bounded in time; None when there was no answer."""
    client: Any = getattr(call, "__self__")  # noqa: B009 a bound method's own object, which Callable does not show
    try:
        return client.sync(partial(call, *args, **kwargs), callback_timeout=_ANSWER_SECONDS)
    except Exception:  # whoever asks goes on without the answer, whatever the reason
        return None


def _processing(run: str, dask_scheduler: Any) -> list[str]:
    found = {task.processing_on for task in dask_scheduler.tasks.values() if _is_of(task, run) and task.processing_on}
    return sorted(worker.address for worker in found)


def _cancel(run: str, dask_scheduler: Any) -> None:
    tasks = [task for task in dask_scheduler.tasks.values() if _is_of(task, run) and task.who_wants]
    keys, clients = [task.key for task in tasks], {client.client_key for task in tasks for client in task.who_wants}
    for client in clients:
        dask_scheduler.client_releases_keys(keys, client)
    # The run itself waits for them, and steps of it on other workers.
    why = "the run was ended"
    dask_scheduler.report({"op": "cancelled-keys", "keys": keys, "reason": why, "msg": why})


def _is_of(task: Any, run: str) -> bool:
    return bool((task.annotations or {}).get(_MARK) == run)


async def _end_process(dask_worker: Any) -> str:
    """Runs in the nanny."""
    await dask_worker.kill(timeout=_KILL_SECONDS, reason="sluice-hard-time-limit")
    return "ended"
