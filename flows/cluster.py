"""Dask behind the kernel's compute port: how a step, inside a task on a worker, fans out over the cluster."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import distributed

from flows.payload import call, pack
from flows.payload import combine as combine_pair
from flows.run_log import LogTarget
from sluice.compute import Transform, transform
from sluice.dataset import Dataset
from sluice.staging import Staging

R = TypeVar("R")
# Larger keyword arguments client.map makes a task of, under the name of the argument: two maps at once would collide.
_SCATTER_BYTES = 50_000


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
        with distributed.worker_client(separate_thread=True) as client:
            results: list[R] = client.gather(self._submit(client, fn, items, args))
        return results

    def reduce(self, fn: Callable[..., R], combine: Callable[[R, R], R], items: Sequence[Any], *args: Any) -> R:
        if not items:
            raise ValueError("reduce needs at least one item")
        with distributed.worker_client(separate_thread=True) as client:
            level = self._submit(client, fn, items, args)
            how = pack(combine)
            while len(level) > 1:
                pairs = [
                    client.submit(combine_pair, left, right, how=how, pure=False)
                    for left, right in zip(level[::2], level[1::2], strict=False)
                ]
                level = pairs + level[len(pairs) * 2 :]
            result: R = level[0].result()
        return result

    def search(self, fn: Callable[..., R], candidates: Sequence[Any], *args: Any) -> list[R]:
        return self.map(fn, candidates, *args)

    def transform(self, dataset: Dataset, fn: Transform, by: Sequence[str] = ()) -> Dataset:
        return transform(self, self._staging, dataset, fn, by)

    @staticmethod
    def _submit(
        client: distributed.Client, fn: Callable[..., R], items: Sequence[Any], args: tuple[Any, ...]
    ) -> list["distributed.Future[R]"]:
        work = (fn, args, LogTarget.current())
        packed = pack(work)
        # What is large goes out once, to every worker: the death of one must not take the only copy with it.
        large = len(packed) > _SCATTER_BYTES
        shared = client.scatter([work], hash=False, broadcast=True)[0] if large else packed
        return list(client.map(call, [pack(item) for item in items], key=_name(fn), pure=False, work=shared))


def _name(fn: Callable[..., Any]) -> str:
    """What Dask's dashboard calls the tasks: the step's own name instead of ``call``."""
    return str(getattr(fn, "__name__", type(fn).__name__)).strip("_<>")
