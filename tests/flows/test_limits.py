"""Limits on the real engine: what a step, a run and the next run see of them."""

import itertools
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import distributed
import pytest

from deployments.guard import process_ids
from sluice.runs import FlowRun, PrefectRuns
from tests import runs
from tests.conftest import Stack

pytestmark = [pytest.mark.integration, pytest.mark.waits]
_offsets = iter(range(300_000_000, 400_000_000, 10_000))


@pytest.fixture
def prefect(stack: Stack) -> Iterator[PrefectRuns]:
    with PrefectRuns(stack.settings.prefect.url) as client:
        yield client


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Path]:
    """While it exists, a step that looks at it goes on; with the test they all end."""
    file = tmp_path / "busy"
    file.touch()
    yield file
    for path in tmp_path.iterdir():
        path.unlink()


def start(prefect: PrefectRuns, limits: dict[str, Any], flow: str = "ingest", **params: Any) -> FlowRun:
    """A run of ``tiny`` with limits of its own and rows that no other has, side by side with others."""
    given = {"params": {"rows": 10, "bad_rows": 0, "offset": next(_offsets), **params}, "limits": limits}
    return prefect.start(f"{flow}/tiny", given if flow == "pipeline" else {**given, "parallel": 12})


def told(file: Path) -> list[float]:
    """When the step heard of the soft limit."""
    return [float(line) for line in Path(f"{file}.told").read_text().splitlines()]


def has_process(run: FlowRun) -> bool:
    wanted = f"PREFECT__FLOW_RUN_ID={run.id}".encode()
    return any(wanted in _environment(pid) for pid in process_ids())


def wait_until_gone(run: FlowRun) -> None:
    deadline = time.monotonic() + 90
    while has_process(run):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def begins(stack: Stack, prefect: PrefectRuns, run: FlowRun, task: str = "read") -> None:
    deadline = time.monotonic() + 150
    while runs.task_states(stack, run.id).get(task) != "Running":
        assert time.monotonic() < deadline, prefect.read(run.id)
        time.sleep(0.1)


def test_the_soft_limit_is_raised_in_the_step(stack: Stack, prefect: PrefectRuns, busy: Path) -> None:
    """It comes where the step is, on a worker; a step that lets it pass fails the run, with a word of the limit."""
    file = busy
    ended = runs.wait(stack, start(prefect, {"soft_seconds": 1.5}, busy="plainly", busy_file=str(file)).id)
    assert ended.state_type == "FAILED"
    assert "ingest/tiny took longer than its soft time limit of 1.5 s" in ended.message
    assert len(told(file)) == 1
    assert runs.task_states(stack, ended.id)["read"] == "Failed"


@pytest.mark.rare
@pytest.mark.slow
def test_a_step_may_clean_up_and_return(stack: Stack, prefect: PrefectRuns, busy: Path) -> None:
    """What it returns is its result: the run goes on with it and completes. It is told once, not in every task."""
    file = busy
    ended = runs.wait(stack, start(prefect, {"soft_seconds": 1.5}, busy="tidily", busy_file=str(file)).id)
    assert ended.completed, ended.message
    assert len(told(file)) == 1
    assert "soft time limit of 1.5 s" in runs.log(stack, ended.id, needle="soft time limit")


@pytest.mark.slow
@pytest.mark.parametrize("how", [pytest.param("stubbornly", marks=pytest.mark.rare), "asleep"])
def test_the_hard_limit_ends_the_run_whatever_the_step_does(
    stack: Stack, prefect: PrefectRuns, busy: Path, how: str
) -> None:
    """One that ignores the soft limit, and one that is in C code: Failed, the process gone, the worker free for others.

    A run that works on the other worker meanwhile is not disturbed.
    """
    file, other_file = busy, busy.with_name("other")
    other_file.touch()
    other = start(prefect, {}, busy="plainly", busy_file=str(other_file))
    begins(stack, prefect, other)
    limits = {"soft_seconds": 5, "hard_seconds": 10, "retries": 2}
    ended = runs.wait(stack, start(prefect, limits, busy=how, busy_file=str(file)).id, timeout=280)
    assert (ended.state_type, ended.state_name) == ("FAILED", "Failed")
    assert "ingest/tiny took longer than its hard time limit of 10 s" in ended.message
    assert ended.run_count == 1  # it was ended, not tried again
    assert ended.seconds >= 10
    assert runs.task_states(stack, ended.id).get("read", "Failed") == "Failed"
    if how == "stubbornly":
        assert len(told(file)) == 1
    wait_until_gone(ended)
    # Both workers take work again: the next run has one while the other run still has its own.
    following = runs.wait(stack, start(prefect, {}).id)
    assert following.completed, following.message
    other_file.unlink()
    assert runs.wait(stack, other.id).completed
    with distributed.Client(stack.settings.dask.address) as client:
        assert len(client.scheduler_info(n_workers=-1)["workers"]) == stack.settings.dask.workers


@pytest.mark.slow
def test_a_failed_run_is_tried_again(stack: Stack, prefect: PrefectRuns, tmp_path: Path) -> None:
    """So often as it says, with the delay; at last it completes."""
    calls = tmp_path / "calls"
    limits = {"retries": 2, "retry_delay_seconds": 2}
    ended = runs.wait(stack, start(prefect, limits, fail_times=2, fail_file=str(calls)).id)
    assert ended.completed, ended.message
    assert ended.run_count == 3
    at = [float(line) for line in calls.read_text().splitlines()]
    assert len(at) == 3
    assert all(later - earlier >= 2 for earlier, later in itertools.pairwise(at))


@pytest.mark.slow
@pytest.mark.rare
def test_only_what_failed_is_done_again(stack: Stack, prefect: PrefectRuns, tmp_path: Path) -> None:
    """When the tries are used up the run has failed; a pipeline that is tried again skips the stages that were done."""
    calls = tmp_path / "calls"
    failed = runs.wait(stack, start(prefect, {"retries": 1}, fail_times=9, fail_file=str(calls)).id)
    assert (failed.state_type, failed.run_count) == ("FAILED", 2)
    assert len(calls.read_text().splitlines()) == 2
    flag = runs.marker(tmp_path / "fail")
    limits = {"retries": 3, "retry_delay_seconds": 3}
    pipeline = start(prefect, limits, flow="pipeline", fail_while=flag)
    deadline = time.monotonic() + 240
    while prefect.read(pipeline.id).run_count < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.unlink(flag)
    ended = runs.wait(stack, pipeline.id)
    assert ended.completed, ended.message
    stages = [(prefect.flow_name(run.flow_id), run) for run in prefect.children(pipeline.id)]
    again = [run for flow, run in stages if flow == "ingest"]
    assert len(again) >= 2
    assert prefect.unchanged(again[-1].id)


@pytest.mark.slow
def test_over_the_rate_a_run_waits_and_then_runs(stack: Stack, prefect: PrefectRuns) -> None:
    """Three at once at ten a minute: none fails, and they start six seconds apart."""
    started = [start(prefect, {"rate": "10/m"}) for _ in range(3)]
    ended = [runs.wait(stack, run.id) for run in started]
    assert [run.state_name for run in ended] == ["Completed"] * 3
    first = min(run.start_time for run in ended if run.start_time)
    # From the first start, which is at or before its turn: what a busy machine adds comes on top.
    after = [(began - first).total_seconds() for began in sorted(_plan_began(prefect, run) for run in ended)]
    assert after[1] >= 6
    assert after[2] >= 12


def _plan_began(prefect: PrefectRuns, run: FlowRun) -> datetime:
    (plan,) = [task for task in prefect.tasks(run.id) if task["name"].startswith("plan")]
    return datetime.fromisoformat(plan["start_time"])


@pytest.mark.slow
def test_a_run_that_waited_too_long_is_expired(stack: Stack, prefect: PrefectRuns) -> None:
    """The second of two has to wait longer for its turn than it may: it is Cancelled, and says why."""
    first, second = (start(prefect, {"rate": "1/m", "expires": 25}) for _ in range(2))
    in_time, late = sorted((runs.wait(stack, run.id) for run in (first, second)), key=lambda run: str(run.state_name))
    assert in_time.completed, in_time.message
    assert (late.state_type, late.state_name) == ("CANCELLED", "Expired")
    assert late.message.startswith("Expired: it was due at ")
    assert late.seconds < 45  # it does not wait for its turn to find out


@pytest.mark.rare
@pytest.mark.slow
def test_a_pipelines_limits_hold_for_its_stages(stack: Stack, prefect: PrefectRuns, busy: Path) -> None:
    """The step of a stage hears of the pipeline's soft limit, and its hard one ends both."""
    file = busy
    limits = {"soft_seconds": 12, "hard_seconds": 18}
    pipeline = start(prefect, limits, flow="pipeline", busy="stubbornly", busy_file=str(file))
    ended = runs.wait(stack, pipeline.id)
    assert ended.state_type == "FAILED"
    assert "pipeline/tiny took longer than its hard time limit of 18 s" in ended.message
    assert len(told(file)) == 1
    stage = runs.stages(stack, pipeline.id)["ingest"]
    assert stage.state_type == "FAILED"
    assert "pipeline/tiny took longer than its hard time limit of 18 s" in stage.message
    wait_until_gone(stage)
