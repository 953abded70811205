"""A task run, out of what Prefect has and what was noted beside it."""

from datetime import timedelta
from typing import Any

import pytest

from sluice.run_summary import RunSummary
from sluice.task_runs import TaskRun, task_runs
from tests.fakes.prefect_history import START, FakeHistory, at

RUN = RunSummary(
    id="r1",
    name="train-movies",
    deployment="train/movies",
    flow="train",
    state_type="RUNNING",
    created=START,
    due=START,
)


def made(*tasks: dict[str, Any], run: RunSummary = RUN, **details: dict[str, Any]) -> dict[str, TaskRun]:
    return {task.id: task for task in task_runs(run, tasks, details)}


def test_what_prefect_knows_and_what_was_noted_are_one_line() -> None:
    """Name, family, times and states are Prefect's; arguments, worker and result are noted."""
    history = FakeHistory()
    noted = {
        "id": "t1",
        "submitted": START,
        "given": {"plan": "p", "parts": "result of split"},
        "arguments": {"plan": "p", "parts": "features/movies@3"},
        "result": "movies@7",
        "error": None,
        "worker": "tcp://127.0.0.1:4",
        "host": "127.0.0.1",
        "pid": 4,
        "fan_out": 6,
    }
    task = made(history.task("t1", "r1"), t1=noted)["t1"]
    assert (task.name, task.task, task.run, task.deployment) == ("train.fit", "fit", "r1", "train/movies")
    assert task.arguments == {"plan": "p", "parts": "features/movies@3"}
    assert (task.worker, task.host, task.pid) == ("tcp://127.0.0.1:4", "127.0.0.1", 4)
    assert (task.state, task.state_type, task.result, task.error) == ("Completed", "COMPLETED", "movies@7", None)
    assert (task.received, task.started) == (START, START + timedelta(seconds=3))
    assert (task.succeeded, task.failed) == (START + timedelta(seconds=5), None)
    assert (task.runtime, task.retries, task.fan_out) == (2.0, 0, 6)


def test_a_task_that_nothing_was_noted_of_is_a_line_too() -> None:
    """A task of somebody else's flow, or one whose notes were lost."""
    task = made(FakeHistory().task("t1", "r1"))["t1"]
    assert (task.name, task.arguments, task.worker, task.result) == ("train.fit", {}, None, None)
    assert task.received == START + timedelta(seconds=2)


def test_parents_are_in_order_and_know_their_children() -> None:
    """The parent is, of the tasks whose results it took, the one submitted last."""
    history = FakeHistory()

    def inputs(*ids: str) -> dict[str, Any]:
        constant = [{"input_type": "constant", "type": "int"}]
        return {"plan": constant, **{f"of_{id}": [{"input_type": "task_run", "id": id}] for id in ids}}

    tasks = made(
        history.task("log", "r1", "log", expected_start_time=at(4), task_inputs=inputs("fit", "split")),
        history.task("fit", "r1", "fit", expected_start_time=at(3), task_inputs=inputs("split")),
        history.task("split", "r1", "split", expected_start_time=at(1)),
    )
    assert list(tasks) == ["split", "fit", "log"]
    assert (tasks["log"].parent, tasks["log"].parents) == ("fit", ["split", "fit"])
    assert (tasks["split"].parent, tasks["split"].children) == (None, ["fit", "log"])
    assert tasks["fit"].children == ["log"]


@pytest.mark.parametrize(
    ("state", "noted", "error", "result"),
    [
        ("Failed", {"error": "ValueError: why", "result": "old"}, "ValueError: why", None),
        ("TimedOut", {}, "what Prefect says", None),
        ("Crashed", {"result": None}, "what Prefect says", None),
        ("Cached", {"error": None}, None, None),
        ("Completed", {"error": "of the try before", "result": "7"}, None, "7"),
        ("Running", {"result": None}, None, None),
    ],
)
def test_result_or_error(state: str, noted: dict[str, Any], error: str | None, result: str | None) -> None:
    """One of them, as the state has it; without a note the state's message."""
    history = FakeHistory()
    said = {"timestamp": at(5), "message": "what Prefect says", "state_details": {}}
    task = made({**history.task("t1", "r1", state=state), "state": said}, t1=noted)["t1"]
    assert (task.error, task.result) == (error, result)


def test_failing_is_told_with_its_time_and_its_tries() -> None:
    """Also of a crash, which Prefect may have no end of."""
    history = FakeHistory()
    task = made(history.task("t1", "r1", state="Crashed", end_time=None, run_count=3))["t1"]
    assert (task.failed, task.succeeded, task.retries) == (START + timedelta(seconds=5), None, 2)


def test_a_running_task_shows_how_long_it_runs() -> None:
    """By Prefect's estimate; one that has not started shows nothing."""
    history = FakeHistory()
    tasks = made(
        history.task("t1", "r1", state="Running", total_run_time=0.0),
        history.task("t2", "r1", state="Pending", start_time=None),
    )
    assert (tasks["t1"].runtime, tasks["t2"].runtime) == (2.5, None)


def test_a_task_that_no_worker_has_begun_is_there() -> None:
    """Prefect hears of a task from its worker; until then there is what the flow noted. It is over with its run.

    If a worker has begun it by then, it is Prefect that has not recorded it, or not yet.
    """
    noted = {"id": "t9", "name": "log", "submitted": START, "given": {"fitted": "result of fit"}, "parents": ["t1"]}
    waiting = made(FakeHistory().task("t1", "r1"), t9=noted)
    assert (waiting["t9"].state, waiting["t9"].state_type) == ("Submitted", "PENDING")
    assert (waiting["t9"].name, waiting["t9"].arguments) == ("train.log", {"fitted": "result of fit"})
    assert (waiting["t9"].parent, waiting["t1"].children) == ("t1", ["t9"])
    over = RUN.model_copy(update={"state_type": "CRASHED", "ended": START + timedelta(seconds=9)})
    lost = made(run=over, t9=noted)["t9"]
    assert (lost.state, lost.state_type, lost.final) == ("NeverBegun", "CANCELLED", True)
    assert lost.failed == START + timedelta(seconds=9)
    begun = made(run=over, t9={**noted, "began": START + timedelta(seconds=2)})["t9"]
    assert (begun.state, begun.state_type, begun.started) == ("Unrecorded", "CRASHED", START + timedelta(seconds=2))


def test_what_stands_for_a_stage_is_no_task() -> None:
    """A run that another one started has a task run there; the table of runs has it already."""
    stands = FakeHistory().task("t1", "r1", "train-movies")
    stands["state"]["state_details"] = {"child_flow_run_id": "r2"}
    assert made(stands) == {}
