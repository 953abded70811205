"""Dask behind the kernel's compute port: how a step, inside a task on a worker, fans out over the cluster."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import wait
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from typing import Any, TypeVar, cast

import distributed
from prefect.context import ContextModel

from flows.interruption import in_step, pass_on
from flows.occupancy import of_run
from flows.payload import call, pack
from flows.payload import combine as combine_pair
from flows.run_log import LogTarget
from flows.task_details import note_fan_out
from sluice.compute import Transform, transform
from sluice.dataset import Dataset
from sluice.errors import SoftTimeLimitExceededError
from sluice.staging import Staging

R = TypeVar("R")
_Work = tuple[Callable[..., Any], tuple[Any, ...], LogTarget | None, bool]
# Larger keyword arguments client.map makes a task of, under the name of the argument: two maps at once would collide.
_SCATTER_BYTES = 50_000
_INTERRUPTED_WITHIN = 0.25  # seconds


class DaskCompute:
    """`sluice.compute.Compute` over the scheduler of the worker that runs this task.

    While it waits, the task gives its thread back (`distributed.worker_client` secedes), so a worker with one thread
    can run the fan-out of its own task.
    """

    def __init__(self, staging: Staging) -> None:
        self._staging = staging

    def map(self, fn: Callable[..., R], items: Sequence[Any], *args: Any) -> list[R]:
        if not items:
            return []
        note_fan_out(len(items))
        results: list[R] = _apart(_map, (fn, args, LogTarget.current(), in_step()), items)
        return results

    def reduce(self, fn: Callable[..., R], combine: Callable[[R, R], R], items: Sequence[Any], *args: Any) -> R:
        if not items:
            raise ValueError("reduce needs at least one item")
        note_fan_out(2 * len(items) - 1)
        result: R = _apart(_reduce, (fn, args, LogTarget.current(), in_step()), combine, items)
        return result

    def search(self, fn: Callable[..., R], candidates: Sequence[Any], *args: Any) -> list[R]:
        return self.map(fn, candidates, *args)

    def transform(self, dataset: Dataset, fn: Transform, by: Sequence[str] = ()) -> Dataset:
        return transform(self, self._staging, dataset, fn, by)


def _apart(fan_out: Callable[..., R], *args: Any) -> R:
    """Run it without what Prefect keeps in context variables; Dask's stay.

    When a task gives its thread back, the worker starts the next one in the context of whoever told it. Prefect's
    client is in there: the task of another run would use this one's, and fail when this one closes it.
    """
    kept = [(variable, value) for variable, value in copy_context().items() if not isinstance(value, ContextModel)]

    def run() -> R:
        for variable, value in kept:
            variable.set(value)
        return fan_out(*args)

    return Context().run(run)


def _map(work: _Work, items: Sequence[Any]) -> list[Any]:
    with distributed.worker_client(separate_thread=True) as client, _of_run(work):
        results: list[Any] = _result(client, _submit(client, work, items))
    return results


def _reduce(work: _Work, combine: Callable[[R, R], R], items: Sequence[Any]) -> R:
    with distributed.worker_client(separate_thread=True) as client, _of_run(work):
        level = _submit(client, work, items)
        how = pack(combine)
        while len(level) > 1:
            pairs = [
                client.submit(combine_pair, left, right, how=how, pure=False)
                for left, right in zip(level[::2], level[1::2], strict=False)
            ]
            level = pairs + level[len(pairs) * 2 :]
        (result,) = _result(client, level)
    return cast("R", result)


def _of_run(work: _Work) -> AbstractContextManager[None]:
    target = work[2]
    return of_run(target.flow_run_id if target else None)


def _result(client: distributed.Client, futures: Sequence["distributed.Future[Any]"]) -> list[Any]:
    """Wait for all of them; a step that is interrupted meanwhile does not wait on."""

    gathered: Coroutine[Any, Any, list[Any]] = client.gather(list(futures), asynchronous=True)
    loop: Any = client.loop
    waiting = asyncio.run_coroutine_threadsafe(gathered, loop.asyncio_loop)
    try:
        while not waiting.done():
            # Inside of a wait that is longer, nobody can be interrupted.
            wait([waiting], timeout=_INTERRUPTED_WITHIN)
        return waiting.result()
    except SoftTimeLimitExceededError as error:
        client.cancel(list(futures))  # those that have not begun; the others are told as this step is
        pass_on(error)
    finally:
        waiting.cancel()


def _submit(client: distributed.Client, work: _Work, items: Sequence[Any]) -> list["distributed.Future[Any]"]:
    packed = pack(work)
    # What is large goes out once, to every worker: the death of one must not take the only copy with it.
    large = len(packed) > _SCATTER_BYTES
    shared = client.scatter([work], hash=False, broadcast=True)[0] if large else packed
    return list(client.map(call, [pack(item) for item in items], key=_name(work[0]), pure=False, work=shared))


def _name(fn: Callable[..., Any]) -> str:
    """What Dask's dashboard calls the tasks: the step's own name instead of ``call``."""
    return str(getattr(fn, "__name__", type(fn).__name__)).strip("_<>")
