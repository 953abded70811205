"""What the fan-out benchmark times, in a process that belongs to the stack (a `benchmarks.peer.Peer`).

A stage's task that fans out through `sluice.compute`, plain ``client.map`` from outside, and one Prefect task an item.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import distributed
import numpy as np
import polars as pl
from prefect import flow, task

from benchmarks.peer import serve
from flows.cluster import DaskCompute
from flows.platform import platform
from flows.runner import ClusterTaskRunner
from sluice.dataset import Partition

TABLE = "benchmark/fan_out"
PARTITION_ROWS = 25_000  # the least that a partition of a dataset has
Work = Callable[[Any], Any]


def nothing(item: Any) -> int:
    """What is left is the fan-out itself."""
    return 0


def aggregate(partition: Partition) -> float:
    """What a small partition costs: read it and group its rows."""
    grouped = partition.scan().group_by("key").agg(pl.col("value").mean()).collect()
    return float(grouped["value"].sum())


WORK: dict[str, Work] = {"nothing": nothing, "aggregate": aggregate}


@task(name="fan out")
def through_compute(work: str, items: Sequence[Any]) -> float:
    """Seconds of the fan-out, as the task that makes it sees them."""
    compute = DaskCompute(platform().lake.staging(TABLE))
    begun = time.perf_counter()
    compute.map(WORK[work], items)
    return time.perf_counter() - begun


@task(name="one item")
def one_item(item: int) -> int:
    return item


@flow(name="fan-out", task_runner=cast("Any", ClusterTaskRunner()))
def inside_a_stage(work: str, items: Sequence[Any]) -> float:
    seconds: float = through_compute.submit(work, items).result()
    return seconds


@flow(name="one-task-each", task_runner=cast("Any", ClusterTaskRunner()))
def one_task_each(count: int) -> float:
    one_item.submit(-1).result()
    begun = time.perf_counter()
    for future in [one_item.submit(item) for item in range(count)]:
        future.result()
    return time.perf_counter() - begun


def plain_map(client: distributed.Client, work: str, items: Sequence[Any]) -> float:
    begun = time.perf_counter()
    client.gather(client.map(WORK[work], items, pure=False))
    return time.perf_counter() - begun


def run(what: str, work: str = "", count: int = 0) -> float:
    """Seconds for ``count`` items: ``compute``, ``map`` or ``prefect``."""
    if what == "prefect":
        return one_task_each(count)
    items = [_partition()] * count
    if what == "compute":
        return inside_a_stage(work, items)
    with distributed.Client(platform().settings.dask.address) as client:
        return plain_map(client, work, items)


def _partition() -> Partition:
    staging = platform().lake.staging(TABLE)
    generator = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"key": generator.integers(0, 1_000, PARTITION_ROWS), "value": generator.normal(size=PARTITION_ROWS)}
    )
    return staging.dataset([staging.write(frame)]).partitions()[0]


if __name__ == "__main__":
    serve(run)
