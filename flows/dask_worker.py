"""What a Dask worker of ours tells its scheduler besides Dask's own: its process, and how many tasks it has done.

A preload (``DASK_DISTRIBUTED__WORKER__PRELOAD``); `GET /workers` reads it from the scheduler.
"""

import os

import distributed


def dask_setup(worker: distributed.Worker) -> None:
    """Called by Dask when the worker starts."""
    worker.metrics["sluice"] = _own


def _own(worker: distributed.Worker) -> dict[str, int]:
    return {"pid": os.getpid(), "done": worker.state.executed_count}
