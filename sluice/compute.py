"""The compute port: how steps fan out without knowing Dask. Dask's implementation is in `flows.cluster`."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, Protocol, TypeVar

import polars as pl

from sluice.dataset import DataFile, Dataset, Partition
from sluice.holdout import stable_hash
from sluice.staging import Staging

T = TypeVar("T")
R = TypeVar("R")
Transform = Callable[[pl.LazyFrame], pl.LazyFrame]


class Compute(Protocol):
    """Everything here runs once an item, on a worker where there are workers. Functions and items are pickled."""

    def map(self, fn: Callable[..., R], items: Sequence[Any], *args: Any) -> list[R]:
        """``fn(item, *args)`` for each item, in the items' order. ``args`` go to every worker once."""
        ...

    def reduce(self, fn: Callable[..., R], combine: Callable[[R, R], R], items: Sequence[Any], *args: Any) -> R:
        """Combine ``fn(item, *args)`` of all items pairwise, on the workers; only the last result comes back.

        Raises:
            ValueError: there are no items.
        """
        ...

    def search(self, fn: Callable[..., R], candidates: Sequence[Any], *args: Any) -> list[R]:
        """``fn(candidate, *args)``, one task a candidate, in the candidates' order."""
        ...

    def transform(self, dataset: Dataset, fn: Transform, by: Sequence[str] = ()) -> Dataset:
        """Apply ``fn`` to each partition and write what it gives; the result is staged, not committed.

        With ``by``, rows with equal values in those columns are brought into one partition first, so that ``fn``
        sees whole groups.
        """
        ...


class InProcessCompute:
    """Runs everything here and now: for tests, notebooks and debugging."""

    def __init__(self, staging: Staging) -> None:
        self._staging = staging

    def map(self, fn: Callable[..., R], items: Sequence[Any], *args: Any) -> list[R]:
        return [fn(item, *args) for item in items]

    def reduce(self, fn: Callable[..., R], combine: Callable[[R, R], R], items: Sequence[Any], *args: Any) -> R:
        if not items:
            raise ValueError("reduce needs at least one item")
        return reduce(combine, (fn(item, *args) for item in items))

    def search(self, fn: Callable[..., R], candidates: Sequence[Any], *args: Any) -> list[R]:
        return self.map(fn, candidates, *args)

    def transform(self, dataset: Dataset, fn: Transform, by: Sequence[str] = ()) -> Dataset:
        return transform(self, self._staging, dataset, fn, by)


def transform(compute: Compute, staging: Staging, dataset: Dataset, fn: Transform, by: Sequence[str]) -> Dataset:
    """What every implementation's `Compute.transform` does, in terms of its ``map``."""
    return staging.dataset(compute.map(_apply, regroup(compute, staging, dataset, by), fn, staging))


def regroup(compute: Compute, staging: Staging, dataset: Dataset, by: Sequence[str]) -> list[Partition]:
    """Partitions in which rows with equal values in ``by`` are together; without ``by``, the dataset's own."""
    partitions = dataset.partitions()
    if not by or len(partitions) < 2:
        return partitions
    buckets = len(partitions)
    scattered = compute.map(_scatter, partitions, tuple(by), buckets, staging)
    by_bucket = [tuple(part[bucket] for part in scattered if part[bucket].rows) for bucket in range(buckets)]
    return [Partition(staging.uri, files, None, staging.storage_options) for files in by_bucket if files]


def _apply(partition: Partition, fn: Transform, staging: Staging) -> DataFile:
    return staging.write(fn(partition.scan()).collect())


def _scatter(partition: Partition, by: tuple[str, ...], buckets: int, staging: Staging) -> list[DataFile]:
    """Write a partition's rows into one file a bucket. Scattered files are never committed; vacuum removes them."""
    frame = partition.scan().with_columns(_bucket=stable_hash(by) % buckets).collect()
    found = frame.partition_by("_bucket", as_dict=True, include_key=False)
    return [
        staging.write_exchange(found[bucket,]) if (bucket,) in found else DataFile("", 0, 0)
        for bucket in range(buckets)
    ]
