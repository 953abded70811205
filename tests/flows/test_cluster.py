"""The compute port on a real Dask cluster: one worker with one thread, so that tasks follow each other on it."""

import time
from collections.abc import Iterator
from pathlib import Path

import dask
import distributed
import pytest
from prefect.context import TagsContext

from flows.cluster import DaskCompute
from sluice.staging import Staging

_QUEUED = 5


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.Client]:
    with (
        # Tasks wait on the worker, as those of two runs do, and not on the scheduler.
        dask.config.set({"distributed.scheduler.worker-saturation": float("inf")}),
        distributed.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            dashboard_address=":0",
            host="127.0.0.1",
        ) as local,
        distributed.Client(local) as client,
    ):
        yield client


def _fans_out(folder: str) -> list[int]:
    deadline = time.monotonic() + 10
    while len(distributed.get_worker().state.ready) < _QUEUED and time.monotonic() < deadline:
        time.sleep(0.01)
    compute = DaskCompute(Staging(folder, "raw/tiny"))
    with TagsContext(current_tags={"of the task that fans out"}):
        doubled = compute.map(_doubled, range(4))
        return [*doubled, compute.reduce(_doubled, int.__add__, range(4))]


def _doubled(value: int) -> int:
    time.sleep(0.02)
    return 2 * value


def _seen(_: int) -> set[str]:
    return TagsContext.get().current_tags


def test_a_task_that_starts_while_another_fans_out_has_nothing_of_its_prefect_context(
    cluster: distributed.Client, tmp_path: Path
) -> None:
    """Prefect's client is in one too: with it, the one task would use what the other closes."""
    fan_out = cluster.submit(_fans_out, str(tmp_path))
    queued = cluster.map(_seen, range(_QUEUED), pure=False)
    assert fan_out.result(timeout=30) == [0, 2, 4, 6, 12]
    assert cluster.gather(queued) == [set()] * _QUEUED
