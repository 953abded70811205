"""On the scheduler of the test stack: which tasks were really executed by a worker."""

from collections import Counter
from typing import Any

import distributed
from distributed.diagnostics.plugin import SchedulerPlugin


class CountExecuted(SchedulerPlugin):
    """On the scheduler: counts tasks that a worker finished, by name."""

    name = "count-executed"

    def __init__(self) -> None:
        self.executed: Counter[str] = Counter()

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        if start == "processing" and finish == "memory" and kwargs.get("worker"):
            self.executed[distributed.utils.key_split(key)] += 1


def counted(dask_scheduler: Any) -> dict[str, int]:
    return dict(dask_scheduler.plugins["count-executed"].executed)
