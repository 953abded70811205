"""Tasks grouped by their name, as Flower groups them: how many, how they ended, how long they take."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

# What is needed of each task.
COLUMNS = ("name", "state", "runtime", "received")
_P95 = 0.95


class TaskName(BaseModel):
    """Figures of the tasks of one name."""

    model_config = ConfigDict(frozen=True)

    name: str
    count: int
    states: dict[str, int] = Field(description="how many are in which state")
    runtime_mean: float | None = Field(
        description="seconds, of those that were completed and did not come from the cache"
    )
    runtime_p95: float | None = Field(description="95 of 100 of these took no longer")
    last: datetime = Field(description="when the newest was received")


def task_names(tasks: Iterable[Mapping[str, Any]]) -> list[TaskName]:
    """By name.

    Args:
        tasks: the `COLUMNS` of each.
    """
    states: dict[str, Counter[str]] = {}
    runtimes: dict[str, list[float]] = {}
    last: dict[str, datetime] = {}
    for task in tasks:
        name, state, received = task["name"], task["state"], task["received"]
        states.setdefault(name, Counter())[state] += 1
        # The time that a task took from the cache, or took to fail, says nothing of what it takes.
        if state == "Completed" and task["runtime"] is not None:
            runtimes.setdefault(name, []).append(task["runtime"])
        if name not in last or received > last[name]:
            last[name] = received
    return [
        TaskName(
            name=name,
            count=counted.total(),
            states=dict(counted.most_common()),
            runtime_mean=_mean(runtimes.get(name, [])),
            runtime_p95=_p95(runtimes.get(name, [])),
            last=last[name],
        )
        for name, counted in sorted(states.items())
    ]


def _mean(values: list[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def _p95(values: list[float]) -> float | None:
    """The least value that as many are not above."""
    return sorted(values)[math.ceil(_P95 * len(values)) - 1] if values else None
