"""Tasks grouped by name."""

from datetime import timedelta
from typing import Any

from sluice.task_names import task_names
from tests.fakes.prefect_history import START


def task(name: str, seconds: float, state: str = "Completed", runtime: float | None = 1.0) -> dict[str, Any]:
    return {"name": name, "state": state, "runtime": runtime, "received": START + timedelta(seconds=seconds)}


def test_figures_by_name() -> None:
    """How many in which state, the mean and the 95th percentile of what was really done, and when last."""
    tasks = [task("train.fit", number, runtime=float(number)) for number in range(1, 21)]
    tasks += [task("train.fit", 30, "Cached", 0.0), task("train.fit", 25, "Failed", 99.0), task("a.b", 0, "Cached")]
    first, fit = task_names(tasks)
    assert (first.name, first.count, first.runtime_mean, first.runtime_p95) == ("a.b", 1, None, None)
    assert (fit.name, fit.count) == ("train.fit", 22)
    assert fit.states == {"Completed": 20, "Cached": 1, "Failed": 1}
    assert (fit.runtime_mean, fit.runtime_p95) == (10.5, 19.0)
    assert fit.last == START + timedelta(seconds=30)


def test_the_percentile_of_few_is_the_longest() -> None:
    """Of one as of nineteen."""
    for count in (1, 19):
        (found,) = task_names([task("n", 0, runtime=float(number)) for number in range(count)])
        assert found.runtime_p95 == count - 1


def test_no_task_has_no_name() -> None:
    """An empty archive is no error."""
    assert task_names([]) == []
